"""The metrics that a rule can name: what each is, in which unit, of which events, and which question answers it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Final, Literal

from sightline_dashboards.alerts.series import Amount, quantile
from sightline_store.questions import alerts as questions
from sightline_store.questions.alerts import Stretch
from sightline_store.questions.queries import Asks, Row

Unit = Literal["ms", "s", "share", "score", "USD/h", "tokens/h", "requests/min", "spans", "bytes", "alarms"]
Buckets = list[tuple[int, Amount]]


class Kind(StrEnum):
    """How the value of a window is made of its amount."""

    QUANTILE = "quantile"
    SHARE = "share"
    MEAN = "mean"
    RATE = "rate"
    SUM = "sum"
    HIGHEST = "highest"


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One line of the documented list.

    Attributes:
        name: as a rule names it.
        about: what it is, for people.
        unit: of its value.
        kind: how a window's value is made.
        events: what its denominator counts.
        read: asks the store for the amounts of a stretch; the number is the rule's `slower_than_ms`.
        filters: those that a rule may narrow it by.
        page: of the dashboards, where it is shown.
        quantile: of a QUANTILE.
        per_s: of a RATE, the seconds that it is per.
        late_s: seconds after which what belongs to a moment has arrived: windows end so long ago.
        highest_value: the greatest value that it can have, None where there is no limit.
        has_history: whether the store knows earlier values.
        slower_than: a rule has to say what is slow.
    """

    name: str
    about: str
    unit: Unit
    kind: Kind
    events: str
    read: Callable[[Asks, Stretch, float], Buckets]
    filters: frozenset[str]
    page: str
    quantile: float = 0.0
    per_s: float = 0.0
    late_s: int = 15
    highest_value: float | None = None
    has_history: bool = True
    slower_than: bool = False

    def value(self, amount: Amount, length_s: float) -> float | None:
        """The value of a window of `length_s` seconds; None where nothing is known."""
        if self.kind is Kind.QUANTILE:
            return quantile(amount.bins, self.quantile, questions.BIN_RATIO)
        if self.kind is Kind.HIGHEST:
            return amount.highest
        if self.kind in {Kind.SHARE, Kind.MEAN}:
            return amount.numerator / amount.denominator if amount.denominator > 0 else None
        if amount.unknown and amount.unknown >= amount.denominator:
            return None
        return amount.numerator * (self.per_s / length_s) if self.kind is Kind.RATE else amount.numerator

    @property
    def is_of_events(self) -> bool:
        """Whether few events make its value uncertain."""
        return self.kind in {Kind.QUANTILE, Kind.SHARE, Kind.MEAN}


def _amount(row: Row, numerator: str, denominator: str, unknown: str = "", less: str = "") -> Amount:
    value = float(row[numerator] or 0.0)
    events = float(row[denominator]) - (float(row[less]) if less else 0.0)
    return Amount(value, events, float(row[unknown]) if unknown else 0.0)


def _columns(
    ask: Callable[[Asks, Stretch], list[Row]], numerator: str, denominator: str, unknown: str = "", less: str = ""
) -> Callable[[Asks, Stretch, float], Buckets]:
    def read(client: Asks, stretch: Stretch, _: float) -> Buckets:
        return [
            (int(row["bucket"]), _amount(row, numerator, denominator, unknown, less)) for row in ask(client, stretch)
        ]

    return read


def _highest(ask: Callable[[Asks, Stretch], list[Row]], column: str) -> Callable[[Asks, Stretch, float], Buckets]:
    def read(client: Asks, stretch: Stretch, _: float) -> Buckets:
        values = ((int(row["bucket"]), float(row[column] or 0.0)) for row in ask(client, stretch))
        return [(bucket, Amount(value, 1.0, highest=value)) for bucket, value in values]

    return read


def _requests(numerator: str, denominator: str) -> Callable[[Asks, Stretch, float], Buckets]:
    def read(client: Asks, stretch: Stretch, slower_than_ms: float) -> Buckets:
        rows = questions.requests(client, stretch, slower_than_ms=slower_than_ms)
        return [(int(row["bucket"]), _amount(row, numerator, denominator)) for row in rows]

    return read


def _latency(duration: Literal["ttft", "total"]) -> Callable[[Asks, Stretch, float], Buckets]:
    def read(client: Asks, stretch: Stretch, _: float) -> Buckets:
        return [
            (
                int(row["bucket"]),
                Amount(0.0, float(sum(row["counts"])), bins=dict(zip(row["bins"], row["counts"], strict=True))),
            )
            for row in questions.latency(client, stretch, duration)
        ]

    return read


def _scores(name: str, numerator: str, *, of_all: bool = False) -> Callable[[Asks, Stretch, float], Buckets]:
    def ask(client: Asks, stretch: Stretch) -> list[Row]:
        return questions.scores(client, stretch, name)

    return _columns(ask, numerator, "judged", less="" if of_all else "failed")


def _gauge(name: str, column: str) -> Callable[[Asks, Stretch, float], Buckets]:
    def ask(client: Asks, stretch: Stretch) -> list[Row]:
        return questions.collector_gauge(client, stretch, name)

    return _highest(ask, column)


def _free_disk(client: Asks, stretch: Stretch, _: float, clock: Callable[[], float] = time.time) -> Buckets:
    """The share that is free now, in the last bucket, where the window reaches up to now."""
    end_s = stretch.end.timestamp()
    if end_s < clock() - 2 * stretch.bucket_s:
        return []
    free = questions.free_disk(client)
    return [] if free is None else [(int(end_s) - stretch.bucket_s, Amount(free, 1.0, highest=free))]


_OF_REQUESTS: Final = frozenset({"tenant", "model", "route", "service"})
_NONE: Final[frozenset[str]] = frozenset()
_latency_of = partial(Metric, unit="ms", kind=Kind.QUANTILE, filters=_OF_REQUESTS, page="latency")
_share_of = partial(Metric, unit="share", kind=Kind.SHARE, highest_value=1.0)
_score_of = partial(
    Metric, unit="score", kind=Kind.MEAN, highest_value=1.0, filters=_OF_REQUESTS, page="quality", events="scores"
)

_DURATIONS: Final[tuple[tuple[Literal["ttft", "total"], str, str], ...]] = (
    ("ttft", "the time to first token", "requests with a first token"),
    ("total", "the whole time of a request", "requests"),
)
_TABLE: Final = (
    *(
        _latency_of(
            name=f"{duration}_p{percent}_ms",
            about=f"{percent}th percentile of {words}",
            events=events,
            read=_latency(duration),
            quantile=percent / 100,
        )
        for duration, words, events in _DURATIONS
        for percent in (50, 95, 99)
    ),
    _share_of(
        name="ttft_slow_share",
        about="share of requests whose first token took longer than `slower_than`",
        events="requests with a first token",
        read=_requests("slow_first_tokens", "timed"),
        filters=_OF_REQUESTS,
        page="latency",
        slower_than=True,
    ),
    _share_of(
        name="total_slow_share",
        about="share of requests that took longer than `slower_than`",
        events="requests",
        read=_requests("slow_requests", "requests"),
        filters=_OF_REQUESTS,
        page="latency",
        slower_than=True,
    ),
    _share_of(
        name="error_rate",
        about="share of requests that failed",
        events="requests",
        read=_requests("errors", "requests"),
        filters=_OF_REQUESTS,
        page="pipeline",
    ),
    Metric(
        name="requests_per_minute",
        about="requests a minute; 0 where none came",
        unit="requests/min",
        kind=Kind.RATE,
        events="requests",
        read=_requests("requests", "requests"),
        filters=_OF_REQUESTS,
        page="overview",
        per_s=60.0,
    ),
    Metric(
        name="cost_per_hour_usd",
        about="cost of model calls an hour; calls without a known price are not in it",
        unit="USD/h",
        kind=Kind.RATE,
        events="model calls",
        read=_columns(questions.spend, "cost_usd", "calls", "unpriced_calls"),
        filters=_OF_REQUESTS,
        page="cost",
        per_s=3600.0,
    ),
    Metric(
        name="tokens_per_hour",
        about="input and output tokens of model calls an hour",
        unit="tokens/h",
        kind=Kind.RATE,
        events="model calls",
        read=_columns(questions.spend, "tokens", "calls"),
        filters=_OF_REQUESTS,
        page="cost",
        per_s=3600.0,
    ),
    _share_of(
        name="unpriced_share",
        about="share of model calls whose cost is unknown",
        events="model calls",
        read=_columns(questions.spend, "unpriced_calls", "calls"),
        filters=_OF_REQUESTS,
        page="cost",
    ),
    _share_of(
        name="empty_search_share",
        about="share of searches that found nothing",
        events="searches",
        read=_columns(questions.searches, "empty_searches", "searches"),
        filters=_OF_REQUESTS,
        page="retrieval",
    ),
    _share_of(
        name="failed_search_share",
        about="share of searches that failed",
        events="searches",
        read=_columns(questions.searches, "failed_searches", "searches"),
        filters=_OF_REQUESTS,
        page="retrieval",
    ),
    _score_of(
        name="groundedness_mean",
        about="mean groundedness of the answers that were judged in the window",
        read=_scores("groundedness", "total"),
    ),
    _score_of(
        name="faithfulness_mean",
        about="mean faithfulness of the answers that were judged in the window",
        read=_scores("faithfulness", "total"),
    ),
    _share_of(
        name="ungrounded_share",
        about="share of judged answers whose groundedness is below 0.5",
        events="scores",
        read=_scores("groundedness", "low"),
        filters=_OF_REQUESTS,
        page="quality",
    ),
    _share_of(
        name="unfaithful_share",
        about="share of judged answers whose faithfulness is below 0.5",
        events="scores",
        read=_scores("faithfulness", "low"),
        filters=_OF_REQUESTS,
        page="quality",
    ),
    _share_of(
        name="judge_failed_share",
        about="share of answers to which the judge of groundedness gave no value",
        events="answers",
        read=_scores("groundedness", "failed", of_all=True),
        filters=_OF_REQUESTS,
        page="quality",
    ),
    Metric(
        name="drift_alarm",
        about="alarms of a run of `sightline-evals drift`, the most of one run",
        unit="alarms",
        kind=Kind.HIGHEST,
        events="runs",
        read=_highest(questions.drift_runs, "alarms"),
        filters=_NONE,
        page="retrieval",
    ),
    Metric(
        name="spans_lost",
        about="numbered spans of the window that never arrived",
        unit="spans",
        kind=Kind.SUM,
        events="numbered spans",
        read=_columns(questions.lost_spans, "lost_spans", "numbered_spans"),
        filters=frozenset({"service"}),
        page="pipeline",
        late_s=150,
    ),
    Metric(
        name="spool_bytes",
        about="bytes that wait in the spools of all collectors, at the highest",
        unit="bytes",
        kind=Kind.HIGHEST,
        events="reports",
        read=_gauge("sightline.collector.spool.size", "together"),
        filters=_NONE,
        page="pipeline",
    ),
    Metric(
        name="collector_lag_s",
        about="seconds that the oldest spans have waited in a collector, at the highest",
        unit="s",
        kind=Kind.HIGHEST,
        events="reports",
        read=_gauge("sightline.collector.lag", "highest_of_all"),
        filters=_NONE,
        page="pipeline",
    ),
    Metric(
        name="disk_free_share",
        about="share of the store's fullest disk that is free now",
        unit="share",
        kind=Kind.HIGHEST,
        events="disks",
        read=_free_disk,
        filters=_NONE,
        page="pipeline",
        highest_value=1.0,
        late_s=0,
        has_history=False,
    ),
)

METRICS: Final[dict[str, Metric]] = {metric.name: metric for metric in _TABLE}
"""Name to metric, in the order of the documentation."""
