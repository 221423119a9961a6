"""The time to first token in every spelling, and what cannot be true of it and of tokens."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from convention_spans import START_NS, Insert, Spans
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sightline_store.client import Client
from sightline_store.conventions import aliases, first_tokens


def _spelled(key: str, ttft: first_tokens.Ttft, ms: float) -> dict[str, Any]:
    """A span's attributes that tell this time to first token in this spelling."""
    if ttft.unit is first_tokens.Unit.MOMENT:
        moment = datetime.fromtimestamp(START_NS / 1e9, UTC) + timedelta(milliseconds=ms)
        return {key: moment.isoformat(timespec="microseconds").replace("+00:00", "Z")}
    return {key: ms if ttft.unit is first_tokens.Unit.MS else ms / 1000}


def test_every_spelling_of_the_time_to_first_token(client: Client, insert: Insert) -> None:
    """Each attribute and each event gives the same time within 1 ms, with its own definition."""
    spans, expected = Spans(), []
    call = {"gen_ai.operation.name": "chat"}
    for ttft in first_tokens.TTFT.values():
        for key in ttft.spellings.values():
            spans.add({**call, **_spelled(key, ttft, 437.5)})
            expected.append((key, ttft.definition))
            if ttft.unit is first_tokens.Unit.S_OR_NS:
                spans.add({**call, key: 437_500_000})
                expected.append((f"{key} in ns", ttft.definition))
            if ttft.unit is first_tokens.Unit.MOMENT:
                spans.add({**call, key: json.dumps(_spelled(key, ttft, 437.5)[key])})
                expected.append((f"{key} in quotes", ttft.definition))
    for name, definition in first_tokens.TTFT_EVENTS.items():
        spans.add(call, events={name: 437.5})
        expected.append((name, definition))
    rows = spans.rows(client, insert, "SELECT TtftMs, TtftDefinition FROM llm_calls ORDER BY SpanId")
    assert len(rows) == len(expected)
    for row, (spelling, definition) in zip(rows, expected, strict=True):
        assert row["TtftMs"] == pytest.approx(437.5, abs=1), spelling
        assert row["TtftDefinition"] == definition, spelling


_NUMBER = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True),
    st.integers(-(10**18), 10**18),
    st.sampled_from(["", "soon", "-1", "1e3", "NaN", "1970-01-01T00:00:00Z", '"2026-13-45"', "{}", "9" * 40]),
)
_TTFT_KEYS = sorted(key for ttft in first_tokens.TTFT.values() for key in ttft.spellings.values())
_TOKEN_KEYS = sorted(key for name, column in aliases.COLUMNS.items() if name.endswith("_tokens") for key in column.keys)


@given(
    st.lists(
        st.tuples(st.dictionaries(st.sampled_from(_TTFT_KEYS + _TOKEN_KEYS), _NUMBER, max_size=6), st.floats(0, 1e5)),
        min_size=1,
        max_size=30,
    )
)
@settings(max_examples=12, suppress_health_check=list(HealthCheck))
def test_what_cannot_be_true_is_not_told(
    client: Client, insert: Insert, told: list[tuple[dict[str, Any], float]]
) -> None:
    """Whatever spans say: 0 < TTFT <= duration, token counts are sane, and every call has its row."""
    spans = Spans()
    for attributes, ms in told:
        spans.add({"gen_ai.operation.name": "chat", **attributes}, ms=ms)
    columns = "InputTokens, OutputTokens, CacheReadTokens, CacheWriteTokens, ReasoningTokens"
    rows = spans.rows(client, insert, f"SELECT TtftMs, TtftDefinition, DurationMs, {columns} FROM llm_calls")
    assert len(rows) == len(told)
    for row in rows:
        assert (row["TtftMs"] is None) == (row["TtftDefinition"] == "")
        assert row["TtftMs"] is None or 0 < row["TtftMs"] <= row["DurationMs"]
        assert all(row[name] is None or 0 <= row[name] <= 4e8 for name in columns.split(", "))
        if row["InputTokens"] is not None:
            assert row["InputTokens"] >= (row["CacheReadTokens"] or 0) + (row["CacheWriteTokens"] or 0)
        if row["OutputTokens"] is not None:
            assert row["OutputTokens"] >= (row["ReasoningTokens"] or 0)
