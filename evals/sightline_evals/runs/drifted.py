"""The questions that drifted: the topics whose share of the traffic grew most against the time before.

Topics are those of `sightline-evals drift`: clusters of the sketches of queries (`drift.topics`). What is new may be
cut into several: all count whose share grew by more than three standard errors.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np

from sightline_evals.drift import battery, topics
from sightline_evals.drift.topics import Topic
from sightline_evals.errors import UsageError
from sightline_store.client import Client
from sightline_store.questions import drift

_WITHOUT: Final = "use another --strategy"


@dataclass(frozen=True, slots=True)
class Grown:
    """The topics that grew most.

    Attributes:
        topics: their names and shares, the one that grew most first.
        trace_ids: the traces of the newer window that belong to them, of those that were looked at.
    """

    topics: tuple[Topic, ...]
    trace_ids: tuple[str, ...]

    def told(self) -> str:
        """The topics in words."""
        now, before = (
            sum(getattr(topic, share) for topic in self.topics) for share in ("current_share", "reference_share")
        )
        return f"questions like {self.topics[0].name}: {now:.0%} of the traffic, {before:.0%} before"


def most_grown(client: Client, *, since_s: int) -> Grown:
    """Find the topics of the last `since_s` seconds that grew most against as long a time before.

    Args:
        client: the store.
        since_s: length of the newer window, in seconds.

    Raises:
        UsageError: the searches have no sketches, or there are too few for topics, or no topic grew.
        sightline_store.errors.StoreError: the store does not answer.
    """
    options = battery.Options()
    now, length = datetime.now(UTC), timedelta(seconds=since_s)
    windows = drift.Windows(
        reference_from=now - 2 * length, reference_to=now - length, current_from=now - length, current_to=now
    )
    _, _, plan = battery.plan_of(client, windows, options)
    usable = [row for row in battery.sketches(client, plan) if any(row["vector"])]
    middle, found = topics.find(client, usable, windows)
    if not found:
        raise UsageError(
            f"--strategy drifted needs at least {options.min_n} searches with a query sketch in the window and as many "
            f"in the time before; there are {sum(bool(row['is_current']) for row in usable)} and "
            f"{sum(not row['is_current'] for row in usable)}: {_WITHOUT}"
        )
    is_current = np.asarray([bool(row["is_current"]) for row in usable])
    growth = np.asarray([topic.current_share - topic.reference_share for topic in found])
    pooled = np.asarray([topic.current_share + topic.reference_share for topic in found]) / 2
    error = np.sqrt(pooled * (1 - pooled) * (1 / is_current.sum() + 1 / (~is_current).sum()))
    places = [int(place) for place in np.argsort(-growth) if growth[place] > 3 * error[place]]
    if not places:
        raise UsageError(f"no topic of the questions grew against the time before: {_WITHOUT}")
    vectors = np.asarray([row["vector"] for row in usable], dtype=float)
    belongs = np.isin(np.argmax(vectors @ middle.T, axis=1), places) & is_current
    ids = (str(row["trace_id"]) for row, is_own in zip(usable, belongs, strict=True) if is_own)
    return Grown(tuple(found[place] for place in places), tuple(ids))
