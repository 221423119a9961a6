"""The clusters of questions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from sightline_evals.drift import topics
from sightline_store.questions import drift


def test_topics_are_the_clusters_and_always_the_same() -> None:
    """Three directions, well apart; the order of the queries does not matter for what belongs together."""
    rng = np.random.default_rng(1)
    directions = np.eye(32)[:3] * 5
    vectors = np.concatenate([direction + rng.normal(size=(200, 32)) * 0.3 for direction in directions])
    middle = topics.centres(vectors, most=3)
    assert middle.shape == (3, 32)
    belongs = np.argmax(vectors @ middle.T, axis=1)
    assert [len(set(belongs[i : i + 200])) for i in (0, 200, 400)] == [1, 1, 1]
    assert len({belongs[0], belongs[200], belongs[400]}) == 3
    assert np.array_equal(middle, topics.centres(vectors, most=3))


def test_few_queries_have_no_topics() -> None:
    """A cluster of a dozen queries is an anecdote."""
    assert len(topics.centres(np.ones((150, 32)))) == 0
    same = topics.centres(np.ones((600, 32)))
    assert np.isfinite(same).all()


class _Texts:
    """A store in which every trace asks the same."""

    def query_rows(self, sql: str, params: Any = None) -> list[dict[str, Any]]:
        """Texts of the traces that are asked for."""
        return [{"trace_id": each, "text": "hello\x1b[2J"} for each in params["trace_ids"]]


def test_topics_with_one_typical_question_have_two_names() -> None:
    """Their measurements must stay apart; shares are those of each window; empty sketches are of no topic."""
    now = datetime(2026, 3, 1, tzinfo=UTC)
    windows = drift.Windows(
        reference_from=now - timedelta(hours=2),
        reference_to=now - timedelta(hours=1),
        current_from=now - timedelta(hours=1),
        current_to=now,
    )
    rows = [
        {
            "trace_id": f"{place:032x}",
            "is_current": place % 2,
            "started_ms": 1000 * (now - timedelta(hours=1.5 if place % 2 == 0 else 0.5)).timestamp(),
            "vector": [100 if (place // 2) % 4 == 0 else 0, 0 if (place // 2) % 4 == 0 else 100],
        }
        for place in range(400)
    ]
    middle, found = topics.find(_Texts(), [*rows, {**rows[0], "vector": [0, 0]}], windows)
    assert middle.shape == (4, 2)
    assert len({topic.name for topic in found}) == 4
    assert found[0].name == "“hello [2J”"
    assert sum(topic.reference_share for topic in found) == pytest.approx(1)
    assert {round(topic.current_share, 2) for topic in found} <= {0.25, 0.75, 0.0}
