"""Topics of questions: clusters of the sketches of queries, named by a question that is typical of each.

Spherical k-means over 32 numbers a query, begun at the query that is farthest from the topics so far: the same queries
give the same topics. It divides the traffic so that a change can be said to be of one topic; it is not a test, and no
alarm comes from the shares.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sightline_store.questions import drift
from sightline_store.questions.asking import Asks

MOST_TOPICS: Final = 6
_QUERIES_A_TOPIC: Final = 100
_ROUNDS: Final = 20
_NAMED_BY: Final = 5
_NAME_CHARS: Final = 60


@dataclass(frozen=True)
class Topic:
    """One cluster.

    Attributes:
        name: a typical question, or `topic N` where no text was captured.
        reference_share: of the queries of the reference, 0 to 1.
        current_share: ... of the current window.
        examples: typical questions, the nearest first.
    """

    name: str
    reference_share: float
    current_share: float
    examples: tuple[str, ...] = ()


def centres(vectors: NDArray[Any], most: int = MOST_TOPICS) -> NDArray[np.float64]:
    """Centres of clusters, float64[topics, numbers], each of length 1; no topics where there are few vectors.

    Args:
        vectors: float64[queries, numbers], none all zero.
        most: topics at the most.
    """
    count = min(most, len(vectors) // _QUERIES_A_TOPIC)
    if count < 2:
        return np.empty((0, vectors.shape[1] if vectors.ndim == 2 else 0))
    points = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    chosen = [points.mean(axis=0)]
    chosen[0] = points[int(np.argmax(points @ chosen[0]))]
    while len(chosen) < count:
        nearest = np.max(points @ np.stack(chosen).T, axis=1)
        chosen.append(points[int(np.argmin(nearest))])
    middle = np.stack(chosen)
    for _ in range(_ROUNDS):
        belongs = np.argmax(points @ middle.T, axis=1)
        fresh = np.stack(
            [points[belongs == i].sum(axis=0) if np.any(belongs == i) else middle[i] for i in range(count)]
        )
        length = np.linalg.norm(fresh, axis=1, keepdims=True)
        fresh = np.where(length > 0, fresh / np.maximum(length, 1e-12), middle)
        if np.allclose(fresh, middle):
            break
        middle = fresh
    return middle


def find(client: Asks, rows: Sequence[Mapping[str, Any]], windows: drift.Windows) -> tuple[NDArray[Any], list[Topic]]:
    """The topics of the queries of two windows.

    Args:
        client: the store, which is asked for the texts of typical queries.
        rows: of the question `drift/sketches`.
        windows: of those rows.

    Returns:
        centres float64[topics, numbers], and the topics in that order.
    """
    usable = [row for row in rows if any(row["vector"])]
    vectors = np.asarray([row["vector"] for row in usable], dtype=float)
    middle = centres(vectors) if usable else np.empty((0, 0))
    if not len(middle):
        return middle, []
    likeness = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)) @ middle.T
    belongs = np.argmax(likeness, axis=1)
    is_current = np.asarray([bool(row["is_current"]) for row in usable])
    typical = [
        [int(place) for place in np.argsort(-np.where(belongs == i, likeness[:, i], -2))[:_NAMED_BY]]
        for i in range(len(middle))
    ]
    texts = _texts(client, [usable[place] for places in typical for place in places], windows)
    topics: list[Topic] = []
    for i, places in enumerate(typical):
        examples = tuple(dict.fromkeys(text for p in places if (text := texts.get(usable[p]["trace_id"], ""))))
        mine = belongs == i
        name = f"“{examples[0][:_NAME_CHARS]}”" if examples else f"topic {i + 1}"
        if any(topic.name == name for topic in topics):
            name += f" ({i + 1})"
        topics.append(
            Topic(
                name=name,
                reference_share=_share(mine, ~is_current),
                current_share=_share(mine, is_current),
                examples=examples,
            )
        )
    return middle, topics


def _share(mine: NDArray[Any], window: NDArray[Any]) -> float:
    size = int(window.sum())
    return float((mine & window).sum()) / size if size else 0.0


def _texts(client: Asks, rows: Sequence[Mapping[str, Any]], windows: drift.Windows) -> dict[str, str]:
    """Texts by trace id, made safe to print; asked a window at a time, between the traces' moments."""
    told: dict[str, str] = {}
    for is_current in (False, True):
        mine = [row for row in rows if bool(row["is_current"]) is is_current]
        if mine:
            moments = [datetime.fromtimestamp(row["started_ms"] / 1000, UTC) for row in mine]
            ids = sorted({row["trace_id"] for row in mine})
            told |= drift.texts(client, ids, min(moments) - timedelta(seconds=1), max(moments) + timedelta(seconds=1))
    return {trace: printable(text) for trace, text in told.items()}


def printable(text: str) -> str:
    """A text of somebody else's for a line of a terminal: no control characters, one space between words."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())
