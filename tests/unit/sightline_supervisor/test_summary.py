"""The numbers of a run: unknown stays unknown, and the verdict counts spans."""

import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from sightline_supervisor.summary import Summary, count, first_row, milliseconds, number, table
from sightline_supervisor.supervise import last_json


@pytest.mark.parametrize(
    ("emitted", "dropped", "stored", "whole"),
    [
        (100, 0, 100, True),
        (100, 0, 99, False),
        (100, 1, 100, False),
        (None, 0, 100, False),
        (100, 0, None, False),
        (0, 0, 0, False),
    ],
)
def test_run_is_whole_only_when_every_emitted_span_is_stored(
    emitted: int | None, dropped: int, stored: int | None, whole: bool
) -> None:
    """Lost, dropped, unknown and no spans at all are not whole."""
    assert Summary(spans_emitted=emitted, spans_dropped=dropped, spans_stored=stored).is_whole is whole


def test_json_holds_no_nan() -> None:
    """A score that could not be computed is null: NaN is not JSON."""
    text = json.dumps(Summary(faithfulness=float("nan"), cost_usd=0.1234567891).to_json(), allow_nan=False)
    values = json.loads(text)
    assert values["faithfulness"] is None
    assert values["cost_usd"] == 0.123457


def test_clickhouse_numbers_are_read_in_every_spelling() -> None:
    """ClickHouse quotes 64-bit integers in JSON and writes nan and null."""
    assert (count("42"), count(42), count(None), count("nan")) == (42, 42, None, None)
    assert (number("0.5"), number("nan"), number("inf"), number("x"), number(True)) == (0.5, None, None, None, None)
    assert first_row({"data": [{"a": 1}]}) == first_row([{"a": 1}]) == first_row({"a": 1}) == {"a": 1}
    assert first_row([]) == first_row(None) == {}


def test_table_says_unknown_and_as_if() -> None:
    """What is not known is not shown as 0, and the price says whose it is."""
    out = io.StringIO()
    known = Summary(cost_usd=0.01, priced_as="openai/gpt-4o-mini", faithfulness=0.5)
    known = replace(known, faithfulness_low=0.4, faithfulness_high=0.6, faithfulness_n=20)
    Console(file=out, width=120).print(table(known))
    text = out.getvalue()
    assert 'as if "openai/gpt-4o-mini"' in text
    assert "0.50 (95% interval 0.40 to 0.60), n = 20" in text
    assert "unknown, unknown with an error" in text


def test_durations_change_unit_at_one_second() -> None:
    """Milliseconds below one second, seconds above."""
    assert [milliseconds(value) for value in (412.3, 2312.0, None)] == ["412 ms", "2.31 s", "unknown"]


def test_last_json_of_a_step_is_found_after_other_lines() -> None:
    """A step may print text before its result, or one object over several lines."""
    assert last_json('reading\n{"passages": 7}\n') == {"passages": 7}
    assert last_json(json.dumps({"a": {"b": 1}}, indent=2)) == {"a": {"b": 1}}
    assert last_json("nothing") is None
