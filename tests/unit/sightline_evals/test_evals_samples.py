"""Rows of the store as samples."""

from typing import Any

import pytest

from sightline_evals.samples import stored_samples
from sightline_store.client import Client
from sightline_store.questions import queries
from sightline_store.settings import StoreSettings

ROW = {
    "trace_id": "ab" * 16,
    "span_id": "cd" * 8,
    "timestamp": None,
    "tenant": "acme",
    "question": " Q? ",
    "answer": "A.",
    "contexts": ["C.", " "],
    "model": "m",
    "note": "extractive, no LLM",
}


def test_rows_become_samples_and_what_lacks_content_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trace without question, answer or passage cannot be judged and must not vanish without a word."""
    asked: dict[str, Any] = {}

    def rows(_client: Client, **wishes: Any) -> list[dict[str, Any]]:
        asked.update(wishes)
        return [ROW, {**ROW, "answer": " "}, {**ROW, "contexts": [" "]}, {**ROW, "question": ""}, {**ROW, "tenant": ""}]

    monkeypatch.setattr(queries, "samples", rows)
    found = stored_samples(Client(StoreSettings()), since_s=60, limit=5)
    assert asked == {"since_s": 60, "limit": 5, "only_unscored": True}
    assert found.incomplete == 3
    assert found.by_tenant == {"acme": 1, "(none)": 1}
    sample = found.samples[0]
    assert (sample.id, sample.trace_id, sample.span_id) == ("ab" * 16, "ab" * 16, "cd" * 8)
    assert (sample.question, sample.contexts, sample.note) == ("Q?", ("C.",), "extractive, no LLM")
