"""Amounts a bucket of time, and what a window of any length holds: the same sums for the last minutes and for a week.

All that a metric needs of a stretch of time can be added up: a numerator, a denominator, and the bins of a histogram.
"""

from __future__ import annotations

import bisect
import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

_NO_BINS: Final[Mapping[int, int]] = {}


@dataclass(frozen=True, slots=True)
class Amount:
    """What a stretch of time holds.

    Attributes:
        numerator: what the metric counts or sums, for example failed requests.
        denominator: how many events it is of, for example requests.
        unknown: events among them whose part of the numerator nobody knows.
        highest: the greatest numerator of a single bucket, where the metric is about that; None without a bucket.
        bins: number of a bin to events in it.
    """

    numerator: float = 0.0
    denominator: float = 0.0
    unknown: float = 0.0
    highest: float | None = None
    bins: Mapping[int, int] = field(default_factory=dict)


class Series:
    """Amounts of buckets of one width, by the second at which each begins; empty buckets are absent."""

    def __init__(self, buckets: Iterable[tuple[int, Amount]], bucket_s: int) -> None:
        """Add the buckets up.

        Args:
            buckets: epoch second of the beginning, and the amount; in order.
            bucket_s: width of each.
        """
        self.bucket_s = bucket_s
        pairs = list(buckets)
        self._starts = [start for start, _ in pairs]
        self._amounts = [amount for _, amount in pairs]
        self._numerators = _sums(amount.numerator for amount in self._amounts)
        self._denominators = _sums(amount.denominator for amount in self._amounts)
        self._unknown = _sums(amount.unknown for amount in self._amounts)
        self._has_highest = any(amount.highest is not None for amount in self._amounts)
        self._has_bins = any(amount.bins for amount in self._amounts)

    def over(self, end_s: float, length_s: float) -> Amount:
        """What the buckets hold that begin in a window.

        Args:
            end_s: epoch second of its end, exclusive.
            length_s: its length; both should be whole buckets away from the beginning of the first bucket.
        """
        first = bisect.bisect_left(self._starts, end_s - length_s)
        last = bisect.bisect_left(self._starts, end_s)
        if first == last:
            return Amount()
        if last - first == 1:
            return self._amounts[first]
        amounts = self._amounts[first:last] if self._has_highest or self._has_bins else []
        return Amount(
            self._numerators[last] - self._numerators[first],
            self._denominators[last] - self._denominators[first],
            self._unknown[last] - self._unknown[first],
            max((amount.highest for amount in amounts if amount.highest is not None), default=None),
            _merged(amounts) if self._has_bins else _NO_BINS,
        )


def quantile(bins: Mapping[int, int], share: float, ratio: float) -> float | None:
    """The value below which a share of the events lies, as the middle of its bin; None without events.

    Args:
        bins: bin k holds values from `ratio` ** k to `ratio` ** (k + 1).
        share: between 0 and 1.
        ratio: above 1.
    """
    total = sum(bins.values())
    if not total:
        return None
    # The same place that ClickHouse's quantileExact takes: floor(share * n), at most the last one.
    place = min(int(share * total), total - 1)
    seen = 0
    for number in sorted(bins):
        seen += bins[number]
        if seen > place:
            return float(ratio ** (number + 0.5))
    raise AssertionError("the counts of the bins add up to their total")


def _sums(values: Iterable[float]) -> Sequence[float]:
    return [0.0, *itertools.accumulate(values)]


def _merged(amounts: Sequence[Amount]) -> Mapping[int, int]:
    merged: Counter[int] = Counter()
    for amount in amounts:
        merged.update(amount.bins)
    return merged
