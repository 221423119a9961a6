"""How the store is asked: what a question needs of a client, which part of the traffic it is about, and its text.

A question's SQL is `sql/queries/NAME.sql`, and `sql/rollups/questions/NAME.sql` where rollups can answer it too. All
parameters travel beside the statement (`{name:Type}`), so no value can change it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Protocol, TypeVar

from sightline_store.errors import StoreBusy
from sightline_store.moments import sql_moment
from sightline_store.questions import guards
from sightline_store.questions.conditions import sql_text
from sightline_store.rollups import plan as rollup_plan
from sightline_store.rollups.plan import Reads
from sightline_store.rollups.tables import Sets

Row = dict[str, Any]
Answer = TypeVar("Answer")

# Widths that a reader can name, in seconds: 1 s to 1 day.
_BUCKET_WIDTHS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400)

HIDDEN: Final = "hidden"
"""Stands in place of a text that the reader may not read."""
_CONTENT: Final = "{content:UInt8}"
SHORTEST_PART: Final = timedelta(minutes=15)
"""Into no shorter parts is a window taken apart."""
_EVERY: Final = 2**62
"""More rows than any store has."""


class Asks(Protocol):
    """What the questions need of a client; `sightline_store.client.Client` has it."""

    def query_rows(self, sql: str, params: Mapping[str, Any] | None = None) -> list[Row]:
        """Answer a query with dicts by column name."""
        ...


@dataclass(frozen=True, kw_only=True)
class Filters:
    """Which part of the traffic a question is about; '' means all."""

    start: datetime
    """First moment, inclusive. With a time zone; ClickHouse is asked in UTC, to the millisecond."""
    end: datetime
    """Last moment, exclusive."""
    tenant: str = ""
    """Tenant, as requests have it."""
    model: str = ""
    """Model that answered (the requested one where the answer named none)."""
    route: str = ""
    """HTTP route of the request."""

    def __post_init__(self) -> None:
        """Refuse moments without a time zone and windows that end before they begin."""
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError("start and end need a time zone: the store keeps UTC")
        if self.end <= self.start:
            raise ValueError(f"the window ends ({self.end.isoformat()}) before it begins ({self.start.isoformat()})")

    @property
    def duration(self) -> timedelta:
        """Length of the window."""
        return self.end - self.start

    def previous(self) -> Filters:
        """The window of the same length that ends where this one begins."""
        return replace(self, start=self.start - self.duration, end=self.start)

    def at_most(self, duration: timedelta) -> Filters:
        """The end of the window: all of it, or the last part of that length."""
        return replace(self, start=max(self.start, self.end - duration))

    def fitted(self, first: datetime | None) -> Filters:
        """The part of the window that holds data, with a little room before it; all of it where most of it does.

        Args:
            first: when its data begins, as `data_since` says it.
        """
        if first is None or self.end - first > self.duration * 0.8:
            return self
        covered = max(self.end - first, timedelta(minutes=1))
        return replace(self, start=max(self.start, first - covered * 0.03))

    def bucket_s(self, points: int = 60) -> int:
        """Width, in seconds, of the narrowest nameable bucket that gives at most `points` (one more at the edge)."""
        wanted = self.duration.total_seconds() / points
        return next((width for width in _BUCKET_WIDTHS_S if width >= wanted), math.ceil(wanted / 86400) * 86400)

    def params(self) -> Row:
        """The parameters that every windowed question names."""
        return {
            "from": sql_moment(self.start),
            "to": sql_moment(self.end),
            "tenant": self.tenant,
            "model": self.model,
            "route": self.route,
        }


def sql(name: str) -> str:
    """Return the text of a question, as it is sent: instead of a line `-- include: FILE`, that file of `sql/parts`."""
    return sql_text(f"queries/{name}.sql")


def ask(client: Asks, name: str, params: Mapping[str, Any]) -> list[Row]:
    """Ask a question by name. Raises StoreUnavailable and QueryFailed, as `Client.query_rows` does.

    A question with a place `content` says `HIDDEN` instead of what people and models wrote to who may not read it.
    """
    return send(client, sql(name), params)


def sees_content(client: Asks) -> bool:
    """Whether who asks may read what people and models wrote."""
    return bool(getattr(client, "sees_content", True))


def ask_rolled(
    client: Asks,
    name: str,
    filters: Filters,
    params: Mapping[str, Any],
    *reads: Reads,
    sets: Sets | None = None,
    rows_by: Sets | None = None,
    is_whole: Callable[[list[Row]], bool] = lambda rows: True,
    of_rows: Callable[[], list[Row]] | None = None,
) -> list[Row]:
    """Ask a question of rollups where they can answer it (`rollups.plan` decides), else of rows.

    Counts and sums are the same, percentiles within `rollup_plan.RANK_ERROR`. The text is that of `sql(name)`, so a
    question is narrowed by nothing but its parameters.

    Args:
        client: the store.
        name: of the question.
        filters: the window, and what it is narrowed to.
        params: of the question; those of `filters` need not be among them.
        reads: what of the tables the question reads.
        sets: the sets of rows that it needs, where that is not the one that it reads.
        rows_by: the set of rows that it reads, where that is not the one that it is narrowed to.
        is_whole: whether an answer of rollups is the whole one; rows are asked where it is not.
        of_rows: asks rows, where that is not `ask(client, name, params)`.
    """
    width = int(params.get("bucket_s", 0))
    found = rollup_plan.plan(client, filters, reads, bucket_s=width, sets=sets, rows_by=rows_by)
    if found is not None:
        rows = send(client, sql_text(f"rollups/questions/{name}.sql"), {**filters.params(), **params, **found.params()})
        if is_whole(rows):
            return rows
    return of_rows() if of_rows else ask(client, name, params)


def by_halves(filters: Filters, answer: Callable[[Filters], list[Row]]) -> list[list[Row]]:
    """What is answered about a window, or about its parts where the whole wants more memory than a statement may take.

    Args:
        filters: the window, and what it is narrowed to.
        answer: asks about such a window; raises as `ask` does.

    Returns:
        One answer, or those of the parts, the newest first.
    """
    try:
        return [answer(filters)]
    except StoreBusy as exc:
        if not exc.wants_too_much or filters.duration < 2 * SHORTEST_PART:
            raise
    middle = filters.end - timedelta(milliseconds=round(filters.duration / timedelta(milliseconds=2)))
    older, newer = replace(filters, end=middle), replace(filters, start=middle)
    return [*by_halves(newer, answer), *by_halves(older, answer)]


def together(asked: Sequence[Callable[[], Answer]]) -> list[Answer]:
    """What several questions are answered that do not need each other's answers, asked at the same time.

    Raises as the first of them that does; the others have ended by then.
    """
    if len(asked) < 2:
        return [each() for each in asked]
    with ThreadPoolExecutor(len(asked), "asked-together") as pool:
        return [each.result() for each in [pool.submit(each) for each in asked]]


def sampled(answer: Callable[[int], list[Row]], most: int, is_enough: Callable[[Row], bool]) -> list[Row]:
    """What a question answers that reads some of many rows; of all of them where those tell too little.

    An empty answer is asked again, since it may be one of some rows.

    Args:
        answer: asks the question, with the number of rows above which it reads some. Its rows have a column `sampled`.
        most: that number.
        is_enough: whether what was read tells enough, by the first row.
    """
    rows = answer(most)
    if rows and (rows[0]["sampled"] == 1 or is_enough(rows[0])):
        return rows
    return answer(_EVERY)


def send(client: Asks, text: str, params: Mapping[str, Any]) -> list[Row]:
    """Ask a text of `sql` without the conditions that narrow nothing. Raises as `ask` does."""
    if _CONTENT in text:
        params = {**params, "content": int(sees_content(client))}
    return client.query_rows(guards.needed(text, params), params)
