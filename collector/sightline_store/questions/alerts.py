"""Questions of alerts: how a metric moved, a bucket at a time, and what the evaluator of rules has written.

A bucket is counted from the beginning of the window (`bucket`, epoch seconds); of an empty one there is no row. Rows
can be added up, also over buckets, so that one answer serves windows of any length.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from sightline_store.moments import sql_moment
from sightline_store.questions.asking import Asks, Row, ask

BIN_RATIO: Final = 1.01
"""Each bin of `latency` ends at so many times its beginning: a quantile out of it is exact to half a percent."""

_FREE = "SELECT min(free_space / total_space) AS free_share FROM system.disks WHERE total_space > 0"


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """A stretch of time in buckets, and what it is narrowed to; '' is all."""

    start: datetime
    end: datetime
    """Exclusive."""
    bucket_s: int
    tenant: str = ""
    model: str = ""
    route: str = ""
    service: str = ""
    slower_than_ms: float = 0.0
    """What `requests` counts as slow."""

    def moments(self) -> Row:
        """The parameters of questions that are narrowed by nothing."""
        return {"from": sql_moment(self.start), "to": sql_moment(self.end), "bucket_s": self.bucket_s}

    def params(self) -> Row:
        """The parameters of the other questions."""
        narrowed = {"tenant": self.tenant, "model": self.model, "route": self.route, "service": self.service}
        return {**self.moments(), **narrowed}


def requests(client: Asks, stretch: Stretch) -> list[Row]:
    """Requests, errors, and requests that took longer than `slower_than_ms`, a bucket."""
    return ask(client, "alerts/requests", {**stretch.params(), "slower_than_ms": stretch.slower_than_ms})


def latency(client: Asks, stretch: Stretch, duration: Literal["ttft", "total"]) -> list[Row]:
    """A histogram of times a bucket: `bins` with their `counts`, see `BIN_RATIO`."""
    return ask(client, "alerts/latency", {**stretch.params(), "duration": duration})


def spend(client: Asks, stretch: Stretch) -> list[Row]:
    """Calls, unpriced calls, cost and tokens, a bucket; cost_usd None where no call had a price."""
    return ask(client, "alerts/spend", stretch.params())


def scores(client: Asks, stretch: Stretch, name: str) -> list[Row]:
    """Judged answers, those without a value, the sum of the values, and those below 0.5, a bucket of judging."""
    return ask(client, "alerts/scores", {**stretch.params(), "name": name})


def searches(client: Asks, stretch: Stretch) -> list[Row]:
    """Searches, those that found nothing, and those that failed, a bucket."""
    return ask(client, "alerts/searches", stretch.params())


def lost_spans(client: Asks, stretch: Stretch) -> list[Row]:
    """Numbered spans, and those that never arrived, a bucket; of the service alone."""
    return ask(client, "alerts/lost_spans", {**stretch.moments(), "service": stretch.service})


def collector_gauge(client: Asks, stretch: Stretch, name: str) -> list[Row]:
    """A gauge of the collectors, `together` and `highest_of_all`, a bucket."""
    return ask(client, "alerts/collector_gauge", {**stretch.moments(), "name": name})


def drift_runs(client: Asks, stretch: Stretch) -> list[Row]:
    """Runs of `sightline-evals drift` and the most alarms of one, a bucket."""
    return ask(client, "alerts/drift_runs", stretch.moments())


def free_disk(client: Asks) -> float | None:
    """Share of the store's fullest disk that is free now; None where the store tells none. Readers may not ask."""
    free: float | None = client.query_rows(_FREE)[0]["free_share"]
    return free


def states(client: Asks) -> list[Row]:
    """The newest phase of each rule that was ever evaluated."""
    return ask(client, "alerts/states", {})


def phases(client: Asks, start: datetime, end: datetime, *, limit: int = 1000) -> list[Row]:
    """Firing and resolved phases that began in a window, the newest first."""
    return ask(client, "alerts/phases", {"from": sql_moment(start), "to": sql_moment(end), "limit": limit})


def deliveries(client: Asks, start: datetime) -> list[Row]:
    """What became of each message since a moment: state is waiting, sent, silenced or abandoned."""
    return ask(client, "alerts/deliveries", {"from": sql_moment(start)})


def silences(client: Asks, now: datetime) -> list[Row]:
    """Silences that hold, or will."""
    return ask(client, "alerts/silences", {"from": sql_moment(now)})
