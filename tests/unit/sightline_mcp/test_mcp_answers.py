"""Verdicts about drift as they are listed, the tables in plain words, and why a question has no answer."""

from __future__ import annotations

from typing import Any

import pytest

from sightline_mcp import schema
from sightline_mcp.answers import drift_run, drift_verdicts
from sightline_mcp.unanswered import way_out
from sightline_store.errors import QueryFailed, StoreBusy, StoreError, StoreUnavailable
from sightline_store.schema import declared


def _row(signal: str, key: str, state: str, at_ms: int) -> dict[str, Any]:
    numbers = dict.fromkeys(("effect", "low", "high", "p"), 0.5)
    return {
        "signal": signal, "key": key, "state": state, "at_ms": at_ms, "run_id": f"run-{at_ms}",
        "sentence": f"at {at_ms}", "reference_n": 10, "current_n": 9, **numbers,
    }  # fmt: skip


def test_the_newest_verdict_on_each_comparison_counts() -> None:
    """Rows come the newest first; drift is listed before what is suspected, and quiet last."""
    rows = [
        _row("verdict", "", "drift", 3), _row("empty", "Docs", "quiet", 3), _row("top_score", "Docs", "suspected", 3),
        _row("top_score", "Other", "drift", 3), _row("verdict", "", "quiet", 2), _row("empty", "Docs", "drift", 2),
    ]  # fmt: skip
    assert [(told.signal, told.key, told.state) for told in drift_verdicts(rows)] == [
        ("top_score", "Other", "drift"),
        ("top_score", "Docs", "suspected"),
        ("empty", "Docs", "quiet"),
    ]
    run = drift_run(rows, 100)
    assert run is not None
    assert run.sentence is not None
    assert (run.run_id, run.sentence.recorded_text) == ("run-3", "at 3")
    assert drift_run([], 100) is None
    assert drift_verdicts([]) == []


@pytest.mark.parametrize("name", schema.TABLES)
def test_every_column_of_a_table_is_in_its_words(name: str) -> None:
    """Also those that a later migration added; no type of ClickHouse is left, and the comment names no file."""
    text = schema.table(name)
    for column in declared.tables()[name].columns:
        assert f"\n- {column.name}: " in text
    assert not any(word in text for word in ("Nullable", "LowCardinality", "DateTime", "UInt", ".py)", "--"))
    assert text in schema.text()
    assert len(text.split("\n\n")[1]) > 40


def test_units_are_told() -> None:
    """By the ending of a column's name."""
    assert "- DurationMs: number, milliseconds" in schema.table("requests")
    assert "- TtftMs: number, or unknown, milliseconds" in schema.table("requests")
    assert "- DocumentIds: list: text" in schema.table("retrievals")
    with pytest.raises(KeyError):
        schema.table("passwords")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (QueryFailed(6, "cannot parse 'the vault opens with 7731'"), "code 6"),
        (StoreBusy("http://127.0.0.1:8123", 241, "memory limit exceeded at 'the vault opens with 7731'"), "code 241"),
        (StoreError("the vault opens with 7731"), "the log of sightline-mcp"),
        (StoreUnavailable("http://127.0.0.1:1", "refused"), "SIGHTLINE_STORE_URL=http://127.0.0.1:1"),
    ],
)
def test_an_error_never_repeats_what_the_store_quotes(error: StoreError, told: str) -> None:
    """It may be another tenant's; the code, and what helps, are enough."""
    assert told in way_out(error)
    assert "vault" not in way_out(error)
