"""The metrics that a rule can name: what each is, in which unit, of which events, and which question answers it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from enum import StrEnum
from functools import partial
from typing import Final, Literal

from sightline_dashboards.alerts.series import Amount, quantile
from sightline_store.questions import alerts as questions
from sightline_store.questions.alerts import Stretch
from sightline_store.questions.asking import Asks, Row

Unit = Literal["ms", "s", "share", "score", "USD/h", "tokens/h", "requests/min", "spans", "bytes", "alarms"]
Buckets = list[tuple[int, Amount]]
Ask = Callable[[Asks, Stretch], list[Row]]
Read = Callable[[Asks, Stretch], Buckets]

_OF_REQUESTS: Final = frozenset({"tenant", "model", "route", "service"})
_NONE: Final[frozenset[str]] = frozenset()


class Kind(StrEnum):
    """How the value of a window is made of its amount."""

    QUANTILE = "quantile"
    SHARE = "share"
    MEAN = "mean"
    RATE = "rate"
    SUM = "sum"
    HIGHEST = "highest"


@dataclass(frozen=True)
class Metric:
    """One line of the documented list.

    Attributes:
        name: as a rule names it.
        about: what it is, for people.
        events: what its denominator counts.
        page: of the dashboards, where it is shown.
        read: asks the store for the amounts of a stretch.
        unit: of its value.
        kind: how a window's value is made.
        filters: those that a rule may narrow it by.
        quantile: of a QUANTILE.
        per_s: of a RATE, the seconds that it is per.
        late_s: seconds after which what belongs to a moment has arrived: windows end so long ago.
        highest_value: the greatest value that it can have, None where there is no limit.
        has_history: whether the store knows earlier values.
        slower_than: a rule has to say what is slow.
    """

    name: str
    about: str
    events: str
    page: str
    read: Read
    _: KW_ONLY
    unit: Unit
    kind: Kind
    filters: frozenset[str] = _OF_REQUESTS
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


def _sums(ask: Ask, numerator: str, denominator: str, unknown: str = "", less: str = "") -> Read:
    """Amounts out of columns; the events of `less` are none of the denominator."""

    def amount(row: Row) -> Amount:
        events = float(row[denominator]) - (float(row[less]) if less else 0.0)
        return Amount(float(row[numerator] or 0.0), events, float(row[unknown]) if unknown else 0.0)

    return lambda client, stretch: [(int(row["bucket"]), amount(row)) for row in ask(client, stretch)]


def _highest(ask: Ask, column: str) -> Read:
    def read(client: Asks, stretch: Stretch) -> Buckets:
        values = ((int(row["bucket"]), float(row[column] or 0.0)) for row in ask(client, stretch))
        return [(bucket, Amount(value, 1.0, highest=value)) for bucket, value in values]

    return read


def _latency(duration: Literal["ttft", "total"], client: Asks, stretch: Stretch) -> Buckets:
    return [
        (
            int(row["bucket"]),
            Amount(0.0, float(sum(row["counts"])), bins=dict(zip(row["bins"], row["counts"], strict=True))),
        )
        for row in questions.latency(client, stretch, duration)
    ]


def _free_disk(client: Asks, stretch: Stretch, clock: Callable[[], float] = time.time) -> Buckets:
    """The share that is free now, in the last bucket, where the window reaches up to now."""
    end_s = stretch.end.timestamp()
    if end_s < clock() - 2 * stretch.bucket_s:
        return []
    free = questions.free_disk(client)
    return [] if free is None else [(int(end_s) - stretch.bucket_s, Amount(free, 1.0, highest=free))]


_requests, _spend, _searches = questions.requests, questions.spend, questions.searches
_grounded = partial(questions.scores, name="groundedness")
_faithful = partial(questions.scores, name="faithfulness")
_spool = partial(questions.collector_gauge, name="sightline.collector.spool.size")
_lag = partial(questions.collector_gauge, name="sightline.collector.lag")

_quantile = partial(Metric, unit="ms", kind=Kind.QUANTILE)
_share = partial(Metric, unit="share", kind=Kind.SHARE, highest_value=1.0)
_mean = partial(Metric, unit="score", kind=Kind.MEAN, highest_value=1.0)
_rate = partial(Metric, kind=Kind.RATE)
_peak = partial(Metric, kind=Kind.HIGHEST, filters=_NONE)

_DURATIONS: Final[tuple[tuple[Literal["ttft", "total"], str, str], ...]] = (
    ("ttft", "the time to first token", "requests with a first token"),
    ("total", "the whole time of a request", "requests"),
)
# One row a metric: name, about, events, page, read.
# fmt: off
_TABLE: Final = (
    *(
        _quantile(f"{duration}_p{percent}_ms", f"{percent}th percentile of {words}", events, "latency",
                  partial(_latency, duration), quantile=percent / 100)
        for duration, words, events in _DURATIONS
        for percent in (50, 95, 99)
    ),
    _share("ttft_slow_share", "share of requests whose first token took longer than `slower_than`",
           "requests with a first token", "latency", _sums(_requests, "slow_first_tokens", "timed"), slower_than=True),
    _share("total_slow_share", "share of requests that took longer than `slower_than`",
           "requests", "latency", _sums(_requests, "slow_requests", "requests"), slower_than=True),
    _share("error_rate", "share of requests that failed",
           "requests", "pipeline", _sums(_requests, "errors", "requests")),
    _rate("requests_per_minute", "requests a minute; 0 where none came",
          "requests", "overview", _sums(_requests, "requests", "requests"), unit="requests/min", per_s=60.0),
    _rate("cost_per_hour_usd", "cost of model calls an hour; calls without a known price are not in it",
          "model calls", "cost", _sums(_spend, "cost_usd", "calls", "unpriced_calls"), unit="USD/h", per_s=3600.0),
    _rate("tokens_per_hour", "input and output tokens of model calls an hour",
          "model calls", "cost", _sums(_spend, "tokens", "calls"), unit="tokens/h", per_s=3600.0),
    _share("unpriced_share", "share of model calls whose cost is unknown",
           "model calls", "cost", _sums(_spend, "unpriced_calls", "calls")),
    _share("empty_search_share", "share of searches that found nothing",
           "searches", "retrieval", _sums(_searches, "empty_searches", "searches")),
    _share("failed_search_share", "share of searches that failed",
           "searches", "retrieval", _sums(_searches, "failed_searches", "searches")),
    _mean("groundedness_mean", "mean groundedness of the answers that were judged in the window",
          "scores", "quality", _sums(_grounded, "total", "judged", less="failed")),
    _mean("faithfulness_mean", "mean faithfulness of the answers that were judged in the window",
          "scores", "quality", _sums(_faithful, "total", "judged", less="failed")),
    _share("ungrounded_share", "share of judged answers whose groundedness is below 0.5",
           "scores", "quality", _sums(_grounded, "low", "judged", less="failed")),
    _share("unfaithful_share", "share of judged answers whose faithfulness is below 0.5",
           "scores", "quality", _sums(_faithful, "low", "judged", less="failed")),
    _share("judge_failed_share", "share of answers to which the judge of groundedness gave no value",
           "answers", "quality", _sums(_grounded, "failed", "judged")),
    _peak("drift_alarm", "alarms of a run of `sightline-evals drift`, the most of one run",
          "runs", "retrieval", _highest(questions.drift_runs, "alarms"), unit="alarms"),
    Metric("spans_lost", "numbered spans of the window that never arrived",
           "numbered spans", "pipeline", _sums(questions.lost_spans, "lost_spans", "numbered_spans"),
           unit="spans", kind=Kind.SUM, filters=frozenset({"service"}), late_s=150),
    _peak("spool_bytes", "bytes that wait in the spools of all collectors, at the highest",
          "reports", "pipeline", _highest(_spool, "together"), unit="bytes"),
    _peak("collector_lag_s", "seconds that the oldest spans have waited in a collector, at the highest",
          "reports", "pipeline", _highest(_lag, "highest_of_all"), unit="s"),
    _peak("disk_free_share", "share of the store's fullest disk that is free now",
          "disks", "pipeline", _free_disk, unit="share", highest_value=1.0, late_s=0, has_history=False),
)
# fmt: on

METRICS: Final[dict[str, Metric]] = {metric.name: metric for metric in _TABLE}
"""Name to metric, in the order of the documentation."""
