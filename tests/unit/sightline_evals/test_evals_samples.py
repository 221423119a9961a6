"""Rows of the store as samples."""

from collections.abc import Sequence
from typing import Any

import pytest

from sightline_evals.runs import samples
from sightline_store.client import Client
from sightline_store.questions import request_lists, sampled
from sightline_store.settings import StoreSettings

REQUEST = {
    "trace_id": "ab" * 16,
    "span_id": "cd" * 8,
    "started_ms": 1,
    "tenant": "acme",
    "conversation": "talk",
    "ttft_ms": 5.0,
    "duration_ms": 9.0,
    "drawn_from": 40,
    "drawn_from_tenant": 30,
}
CONTENT = {
    "question": " Q? ",
    "answer": "A.",
    "contexts": ["C.", " "],
    "model": "m",
    "note": "extractive, no LLM",
    "sampling_weight": 0.0,
    "trace_state": "",
}


def drawn(monkeypatch: pytest.MonkeyPatch, rows: Sequence[dict[str, Any]], **wishes: Any) -> samples.Drawn:
    """What is drawn of these requests."""
    monkeypatch.setattr(sampled, "requests", lambda _client, **_: list(rows))
    return samples.draw(Client(StoreSettings()), since_s=60, limit=5, **wishes)


def test_rows_become_samples_and_what_lacks_content_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trace without question, answer or passage cannot be judged and must not vanish without a word."""
    lacking: list[dict[str, Any] | None] = [{"answer": " "}, {"contexts": [" "]}, {"question": ""}, None]
    contents = {
        f"{number:032x}": None if change is None else {**CONTENT, **change}
        for number, change in enumerate([{}, *lacking])
    }
    rows = [{**REQUEST, "trace_id": trace_id, "weight": 2.0} for trace_id in contents]
    monkeypatch.setattr(
        sampled,
        "contents",
        lambda _, page: [{**row, **content} for row in page if (content := contents[row["trace_id"]])],
    )
    monkeypatch.setattr(
        request_lists,
        "trace_totals",
        lambda _, page: [{"trace_id": page[0]["trace_id"], "cost_usd": 0.5, "input_tokens": 7, "output_tokens": 3}],
    )
    found = samples.Completeness()
    (sample,) = samples.read(Client(StoreSettings()), rows, found)
    assert (found.incomplete, found.notes) == (4, {"extractive, no LLM"})
    assert (sample.id, sample.trace_id, sample.span_id) == ("0" * 32, "0" * 32, "cd" * 8)
    assert (sample.question, sample.contexts, sample.note) == ("Q?", ("C.",), "extractive, no LLM")
    assert (sample.conversation, sample.weight, sample.ttft_ms, sample.duration_ms) == ("talk", 2.0, 5.0, 9.0)
    assert (sample.cost_usd, sample.input_tokens, sample.output_tokens) == (0.5, 7, 3)


def test_a_sample_stands_for_those_that_were_not_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """By tenant where tenants take turns, of all where all have the same chance; not where the worst are taken."""
    small = {**REQUEST, "tenant": "", "drawn_from_tenant": 10}
    rows = [REQUEST, REQUEST, small]
    found = drawn(monkeypatch, rows)
    assert [row["weight"] for row in found.rows] == [15.0, 15.0, 10.0]
    assert (found.drawn_from, found.by_tenant) == (40, {"acme": 2, "(none)": 1})
    assert [row["weight"] for row in drawn(monkeypatch, rows, strategy="random").rows] == [40 / 3] * 3
    assert [row["weight"] for row in drawn(monkeypatch, rows, strategy="low-score").rows] == [1.0] * 3
    assert drawn(monkeypatch, []).drawn_from == 0


@pytest.mark.parametrize(
    ("stored", "state", "weight"),
    [
        (0.0, "", 1.0),
        (20.0, "", 20.0),
        (0.0, "ot=th:c", 4.0),
        (0.0, "vendor=x,ot=rv:1;th:8", 2.0),
        (3.0, "ot=th:8", 6.0),
        (0.0, "ot=th:0", 1.0),
        (0.0, "other=th:c", 1.0),
    ],
)
def test_sampling_that_the_store_knows_of_is_weighed(stored: float, state: str, weight: float) -> None:
    """A collector's weight and a head sampler's threshold multiply."""
    assert samples.sampling_weight(stored, state) == pytest.approx(weight)
