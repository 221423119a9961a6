"""What rollups a store has of a window. Remembered for seconds: the questions of a page are about the same windows."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol
from weakref import WeakKeyDictionary

from sightline_store.questions.conditions import sql_text
from sightline_store.rollups.tables import DAY, HOUR, MINUTE

REMEMBERED_S: Final = 3.0
"""Periods that were made since are read as rows until then, which gives the same answer."""

Rows = list[dict[str, Any]]


class Asks(Protocol):
    """What is needed of a client; `sightline_store.client.Client` has it."""

    def query_rows(self, sql: str, params: Mapping[str, Any] | None = None) -> Rows:
        """Answer a query with dicts by column name."""
        ...


@dataclass(frozen=True)
class Coverage:
    """What rollups a store has of a window.

    Attributes:
        starts: length of a period to the starts of those that can answer, in order; seconds.
        sees_all: whether the asker may read what is added up over all tenants.
        source_rows: typed rows of the whole hours, or days.
        cuts: moments at which prices change, in order; epoch seconds.
        steps: numbers of input tokens above which another rate holds.
        times: seconds of the day at which another rate begins to hold, in order, without midnight.
    """

    starts: Mapping[int, Sequence[int]]
    sees_all: bool = True
    source_rows: int = 0
    cuts: Sequence[int] = ()
    steps: Sequence[int] = ()
    times: Sequence[int] = ()


def coverage(client: Asks, begin: str, end: str, *, needed: int, since_format: int) -> Coverage:
    """Return what rollups there are of a window, without prices.

    Args:
        client: the store.
        begin: of the window, as `moments.sql_moment` writes it.
        end: of the window.
        needed: the sets of rows, as bits; a period in which one of them was cut cannot answer.
        since_format: nor can one of an older format.

    Raises:
        StoreUnavailable: try again.
    """
    rows = remembered(client, "rollups/coverage.sql", {"from": begin, "to": end})
    able = [row for row in rows if not row["cut"] & needed and row["format"] >= since_format]
    starts = {
        length: sorted(start for row in able for start in row[name])
        for length, name in ((DAY, "days"), (HOUR, "hours"), (MINUTE, "minutes"))
    }
    return Coverage(
        starts,
        any(row["sees_all"] for row in able),
        max((sum(row[name] for row in able) for name in ("of_hours", "of_days")), default=0),
    )


def priced(client: Asks, covered: Coverage) -> Coverage:
    """Return a coverage with the moments, numbers of tokens and times of the day at which prices change.

    Raises:
        StoreUnavailable: try again.
    """
    (prices,) = remembered(client, "rollups/price_changes.sql", {})
    return replace(
        covered,
        cuts=sorted(prices.get("cuts", ())),
        steps=prices.get("steps", ()),
        times=sorted(time % DAY for time in prices.get("times", ()) if time % DAY),
    )


def first_filled(client: Asks, begin: str, end: str) -> int | None:
    """Return the start, in epoch seconds, of the first hour of a window that has typed rows, as far as hours are made.

    Raises:
        StoreUnavailable: try again.
    """
    rows = remembered(client, "rollups/coverage.sql", {"from": begin, "to": end})
    return min((int(row["first_filled"]) for row in rows if row["first_filled"]), default=None)


class _Memory:
    """Answers of one client. Threads that ask the same at one time get one answer."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: dict[tuple[str, ...], tuple[float, Future[Rows]]] = {}

    def get(self, key: tuple[str, ...], ask: Callable[[], Rows]) -> Rows:
        now = time.monotonic()
        with self._lock:
            self._answers = {each: kept for each, kept in self._answers.items() if kept[0] > now}
            found = self._answers.get(key)
            if found is None:
                answer: Future[Rows] = Future()
                self._answers[key] = (now + REMEMBERED_S, answer)
        if found is not None:
            return found[1].result()
        try:
            answer.set_result(ask())
        except BaseException as exc:
            with self._lock:
                self._answers.pop(key, None)
            answer.set_exception(exc)
            raise
        return answer.result()


_memories: WeakKeyDictionary[Asks, _Memory] = WeakKeyDictionary()
_memories_lock = threading.Lock()


def remembered(client: Asks, file: str, params: Mapping[str, str]) -> Rows:
    """Answer a text below `sql` as it was answered within the last `REMEMBERED_S`, else ask it."""
    with _memories_lock:
        memory = _memories.setdefault(client, _Memory())
    return memory.get((file, *params.values()), lambda: client.query_rows(sql_text(file), params))
