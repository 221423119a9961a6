"""Asks one index all questions, several times, one after the other, and says how good and how fast it was."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sightline_app.retriever import PUBLIC, Retriever
from sightline_app.tuning.variants import Variant
from sightline_app.tuning.workload import Workload

_Z = 1.959964
"""Two-sided 95 % of the normal distribution."""


@dataclass(frozen=True)
class Times:
    """How long searches took, in milliseconds: of each round its percentile, and of those the median and the ends."""

    p50_ms: float
    p95_ms: float
    p95_least_ms: float
    p95_most_ms: float


@dataclass(frozen=True)
class Built:
    """What an index cost."""

    build_s: float
    """Seconds until the store had accepted all passages."""
    lag_s: float
    """Seconds from then until they were found, and nothing waited for the index any more."""
    memory_bytes: int | None
    """What it holds in memory; None where that cannot be measured. `Place.memory` says how it was."""


@dataclass(frozen=True)
class Measured:
    """One index, measured."""

    variant: Variant
    recall: float
    """Share of the right passages that were found, mean over the questions."""
    recall_low: float
    recall_high: float
    """95 % interval, of the questions as a sample."""
    times: Times
    built: Built

    def as_json(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {
            "name": self.variant.name,
            "store": self.variant.store,
            "recall": round(self.recall, 4),
            "recall_low": round(self.recall_low, 4),
            "recall_high": round(self.recall_high, 4),
            **{name: round(value, 3) for name, value in asdict(self.times).items()},
            "build_s": round(self.built.build_s, 2),
            "lag_s": round(self.built.lag_s, 3),
            "memory_bytes": self.built.memory_bytes,
            "settings": self.variant.settings(),
        }


async def ask(retriever: Retriever, workload: Workload, *, count: int, rounds: int) -> tuple[list[float], Times]:
    """Search for every question, once to warm up and to see what is found, then in rounds that are timed.

    Args:
        retriever: the index, through the search that the app makes.
        workload: questions, and what is right.
        count: passages of one search.
        rounds: at least 1.

    Returns:
        the recall of each question, and the times.

    Raises:
        RetrievalUnavailable: the store did not answer.
    """
    recalls = []
    for row, vector in enumerate(workload.questions):
        hits = await retriever.search("", vector, tenant=PUBLIC, since=None, limit=count)
        recalls.append(workload.recall(row, [hit.id for hit in hits], count))
    order = np.random.default_rng(7)
    timed = []
    for _ in range(rounds):
        took = []
        for row in order.permutation(len(workload.questions)):
            started = time.perf_counter()
            await retriever.search("", workload.questions[row], tenant=PUBLIC, since=None, limit=count)
            took.append((time.perf_counter() - started) * 1000)
        timed.append(took)
    return recalls, times_of(timed)


def times_of(rounds: Sequence[Sequence[float]]) -> Times:
    """Return the times of rounds of searches, in milliseconds.

    They are medians over the rounds, so that a round that was disturbed does not count.
    """
    p95s = [float(np.percentile(each, 95)) for each in rounds]
    return Times(
        p50_ms=float(np.median([np.percentile(each, 50) for each in rounds])),
        p95_ms=float(np.median(p95s)),
        p95_least_ms=min(p95s),
        p95_most_ms=max(p95s),
    )


def interval(recalls: Sequence[float]) -> tuple[float, float, float]:
    """Return the mean recall and its 95 % interval, by Wilson's score as if each question were found whole or not.

    That is wider than the truth where questions are found in part, and has a width where all are found.

    Source: https://doi.org/10.1080/01621459.1927.10502953
    """
    count, mean = len(recalls), float(np.mean(recalls))
    centre = (mean + _Z**2 / (2 * count)) / (1 + _Z**2 / count)
    half = _Z / (1 + _Z**2 / count) * math.sqrt(mean * (1 - mean) / count + _Z**2 / (4 * count**2))
    return mean, max(0.0, centre - half), min(1.0, centre + half)
