"""Which part of a window rollups answer, and which part rows: the one place that decides it.

A window is read as rows up to its first minute, hour or day that rollups hold, as rollups up to the last one, and as
rows behind that. A question asks `plan`; without a plan it reads rows, which is what all questions do that are narrowed
to something that rollups do not have.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import reduce
from operator import or_
from typing import Any, Final, Protocol

from sightline_store.moments import sql_moment
from sightline_store.rollups.coverage import Asks, Coverage, coverage, priced
from sightline_store.rollups.tables import DAY, HOUR, MINUTE, Sets

SHORTEST: Final = timedelta(hours=24)
"""Shorter windows read rows."""

FEWEST_ROWS: Final = 6_000_000
"""A window of fewer typed rows is read as rows: to add them up costs no more than to analyse the longer statement."""

_TIMES_OF_A_TENANT = 2
"""So many times more it takes of a window that is narrowed to a tenant: rows of others are hardly read."""

RANK_ERROR: Final = 0.01
"""By how much at most the rank of a percentile from rollups is off, as a share (docs/adr/018-rollups.md). Were it more,
the pages would have to say so."""

_SMALLEST_PART = 0.5
"""Rollups are read where they hold at least this share of a window."""

_INPUT_STEP, _FIRST_STEP = 1000, 32_000
"""Calls are told apart by the thousands of their input tokens above this."""


@dataclass(frozen=True)
class _Rows:
    """Rows of a table of rollups.

    Attributes:
        table: its name.
        sets: each set of rows that it has, to the first format of periods that have it.
        has_models: whether a model is a column of its rows, whatever the set.
    """

    table: str
    sets: Mapping[Sets, int]
    has_models: bool = False


_BY_TENANT = (Sets.ALL, Sets.TENANT)


class Reads(Enum):
    """What a question reads of the tables.

    CALLERS are the calls and their traces, LABELS what calls say of themselves.
    """

    REQUESTS = _Rows("rollup_requests", {**dict.fromkeys((*_BY_TENANT, Sets.ROUTE), 0), Sets.MODEL: 3})
    CALLS = _Rows("rollup_calls", {**dict.fromkeys(_BY_TENANT, 0), Sets.ROUTE: 3}, has_models=True)
    CALLERS = _Rows("rollup_calls", {**dict.fromkeys(_BY_TENANT, 1), Sets.ROUTE: 3}, has_models=True)
    STAGES = _Rows("rollup_stages", {**dict.fromkeys(_BY_TENANT, 0), Sets.ROUTE: 3, Sets.MODEL: 3})
    RETRIEVALS = _Rows("rollup_retrievals", {**dict.fromkeys(_BY_TENANT, 1), Sets.ROUTE: 3, Sets.MODEL: 3})
    USES = _Rows("rollup_uses", {Sets.ALL: 2})
    EMBEDDINGS = _Rows("rollup_embeddings", {**dict.fromkeys(_BY_TENANT, 2), Sets.ROUTE: 3}, has_models=True)
    SPANS = _Rows("rollup_spans", {Sets.ALL: 2})
    LABELS = _Rows("rollup_calls", {Sets.ALL: 2})
    SCORES = _Rows("rollup_scores", {**dict.fromkeys((*_BY_TENANT, Sets.ROUTE), 2), Sets.MODEL: 3})


_PRICED = frozenset({Reads.CALLS, Reads.CALLERS, Reads.EMBEDDINGS})
"""What questions put prices on: a period must not hold two."""


class _Window(Protocol):
    """What a question is about; `questions.asking.Filters` has it."""

    @property
    def start(self) -> datetime: ...
    @property
    def end(self) -> datetime: ...
    @property
    def tenant(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def route(self) -> str: ...


@dataclass(frozen=True)
class Plan:
    """How a question is answered from rollups.

    Attributes:
        by: the set of rows.
        call_by: that of the tables whose rows have a column for the model.
        ranges: length of periods, start of the first one and end of the last one, in order and without gaps.
    """

    by: Sets
    call_by: Sets
    ranges: tuple[tuple[int, int, int], ...]

    def params(self) -> dict[str, Any]:
        """The parameters that `sql/rollups/questions` name beside those of the question."""
        return {
            "set": self.by.by,
            "call_set": self.call_by.by,
            # Requests do not say their model: those beside rollups are all, narrowed by their calls.
            "sets": [(Sets.ALL if self.by is Sets.MODEL else self.by).by],
            "periods": [each[0] for each in self.ranges],
            "firsts": [each[1] for each in self.ranges],
            "afters": [each[2] for each in self.ranges],
            "rolled_from": sql_moment(datetime.fromtimestamp(self.ranges[0][1], UTC)),
            "rolled_to": sql_moment(datetime.fromtimestamp(self.ranges[-1][2], UTC)),
        }


def plan(
    client: Asks,
    window: _Window,
    reads: Iterable[Reads],
    *,
    bucket_s: int = 0,
    sets: Sets | None = None,
    rows_by: Sets | None = None,
) -> Plan | None:
    """Return the plan of a question, None where it has to read rows.

    Args:
        client: the store.
        window: and what it is narrowed to.
        reads: the tables that the question reads.
        bucket_s: width of its buckets in seconds; 0 is one for the whole window.
        sets: the sets of rows that it needs; the one that it reads where None.
        rows_by: the set of calls that it reads; the one that it is narrowed to where None.

    Raises:
        StoreUnavailable: try again.
    """
    given = {name for name in ("tenant", "model", "route") if getattr(window, name)}
    by, call_by = _set(given), _set(given - {"model"})
    if rows_by:
        call_by = rows_by if call_by in {Sets.ALL, rows_by} else None
    read: dict[Reads, Sets] = {}
    for each in reads:
        of = call_by if each.value.has_models else by
        if of is None or of not in each.value.sets:
            return None
        read[each] = of
    if window.end - window.start < SHORTEST or not _lengths(bucket_s):
        return None
    with_prices = not _PRICED.isdisjoint(read)
    covered = coverage(
        client,
        sql_moment(window.start),
        sql_moment(window.end),
        needed=int(sets or reduce(or_, read.values())),
        since_format=max(each.value.sets[of] for each, of in read.items()),
    )
    if covered.source_rows < FEWEST_ROWS * (_TIMES_OF_A_TENANT if window.tenant else 1):
        return None
    if with_prices:
        covered = priced(client, covered)
    by, call_by = (
        next((of for each, of in read.items() if each.value.has_models is has_models), None)
        for has_models in (False, True)
    )
    return choose(covered, window, by or call_by or Sets.ALL, call_by, bucket_s=bucket_s, with_prices=with_prices)


def choose(
    covered: Coverage,
    window: _Window,
    by: Sets,
    call_by: Sets | None = None,
    *,
    bucket_s: int = 0,
    with_prices: bool = False,
) -> Plan | None:
    """Return the plan for a window of which rollups hold these periods; None where rows are the better way. Pure.

    Args:
        covered: what rollups hold.
        window: what is asked.
        by: the set of rows that is read.
        call_by: that of tables whose rows have a column for the model, where it is another one.
        bucket_s: width of buckets in seconds, 0 for none: a period never lies in two.
        with_prices: no period may hold two prices of one model.
    """
    call_by = call_by or by
    if not covered.sees_all and not by is call_by is Sets.TENANT:
        return None
    if with_prices and not all(step < 0 or (step >= _FIRST_STEP and step % _INPUT_STEP == 0) for step in covered.steps):
        return None
    begin = math.ceil(window.start.timestamp() / MINUTE) * MINUTE
    end = math.floor(window.end.timestamp())
    prices = covered if with_prices else Coverage({})
    runs = _runs(covered.starts, _lengths(bucket_s), begin, end, prices)
    longest = max(runs, key=lambda run: run[-1][2] - run[0][1], default=[])
    if not longest or longest[-1][2] - longest[0][1] < _SMALLEST_PART * (window.end - window.start).total_seconds():
        return None
    return Plan(by, call_by, tuple(longest))


def _set(given: set[str]) -> Sets | None:
    """The set of rows of what a question is narrowed to; None of two dimensions."""
    if len(given) > 1:
        return None
    return next((Sets[name.upper()] for name in given), Sets.ALL)


def _lengths(bucket_s: int) -> list[int]:
    """The periods that never lie in two buckets, the longest first."""
    return [length for length in (DAY, HOUR, MINUTE) if bucket_s % length == 0]


def _runs(
    starts: Mapping[int, Sequence[int]], lengths: Sequence[int], begin: int, end: int, prices: Coverage
) -> list[list[tuple[int, int, int]]]:
    """The stretches without gaps that periods cover, each as ranges of periods of one length."""
    known = {length: set(starts.get(length, ())) for length in lengths}
    runs: list[list[tuple[int, int, int]]] = []
    at, is_new = begin, True
    while at < end:
        length = next(
            (
                length
                for length in lengths
                if at in known[length] and at + length <= end and not _is_cut(at, length, prices)
            ),
            0,
        )
        if not length:
            at, is_new = _next(starts, lengths, at, end), True
            continue
        if is_new:
            runs.append([])
        run, is_new = runs[-1], False
        if run and run[-1][0] == length:
            run[-1] = (length, run[-1][1], at + length)
        else:
            run.append((length, at, at + length))
        at += length
    return runs


def _next(starts: Mapping[int, Sequence[int]], lengths: Sequence[int], at: int, end: int) -> int:
    """The next start of a period behind a moment; `end` where there is none."""
    found = end
    for length in lengths:
        of_length = starts.get(length, ())
        place = bisect_right(of_length, at)
        if place < len(of_length):
            found = min(found, of_length[place])
    return found


def _is_cut(start: int, length: int, prices: Coverage) -> bool:
    """Whether a price changes within a period, not only at its edges."""
    if prices.cuts and bisect_right(prices.cuts, start) < bisect_left(prices.cuts, start + length):
        return True
    second = start % DAY
    return any(second < time < second + length for time in prices.times)
