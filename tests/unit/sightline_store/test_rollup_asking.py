"""When a question that rollups can answer is asked of rows after all."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sightline_store.questions import queries, request_lists
from sightline_store.questions.asking import Filters, Row, sql
from sightline_store.questions.conditions import sql_text
from sightline_store.rollups.plan import FEWEST_ROWS
from sightline_store.rollups.tables import DAY, FORMAT, MOST_LOWEST

END = datetime(2026, 3, 15, tzinfo=UTC)
WINDOW = Filters(start=END - timedelta(days=7), end=END)
_DAYS = [int(WINDOW.start.timestamp()) + day * DAY for day in range(7)]
_COVERAGE: Row = {
    "cut": 0, "format": FORMAT, "days": _DAYS, "hours": [], "minutes": [], "of_hours": 0, "of_days": 4 * FEWEST_ROWS,
    "first_filled": 0, "sees_all": True,
}  # fmt: skip


class _Rolled:
    """A store with rollups of the whole window; remembers the first lines of the texts that it was asked."""

    def __init__(self, *rolled: Row) -> None:
        self._rolled, self.asked, self.params = list(rolled), [], []  # type: list[Row], list[str], list[Any]

    def query_rows(self, sql: str, params: Mapping[str, Any] | None = None) -> list[Row]:
        """Rows of a question of rollups are those that were given, all others have none."""
        if sql == sql_text("rollups/coverage.sql"):
            self.params.append(dict(params or {}))
            return [_COVERAGE]
        self.asked.append(sql.partition("\n")[0])
        if sql == sql_text("rollups/price_changes.sql"):
            return [{}]
        if "trace_ids" in (params or {}):
            return [{"trace_id": trace_id} for trace_id in (params or {})["trace_ids"]]
        return self._rolled if sql.startswith(tuple(_ROLLED)) else []


_ROLLED = [sql_text(f"rollups/questions/{name}.sql").partition("\n")[0] for name in ("traces_by_score", "spend_by")]
_ROWS = sql("traces_by_score").partition("\n")[0]


def _listed(n: int, matching: int) -> list[Row]:
    return [{"trace_id": str(number), "started_ms": 0, "matching": matching} for number in range(n)]


@pytest.mark.parametrize(
    ("rows", "page", "is_whole"),
    [
        (_listed(50, 400), {}, True),
        (_listed(7, 7), {}, True),
        (_listed(20, 120), {"limit": 20, "offset": 30}, True),
        (_listed(49, 400), {}, False),  # a row was deleted since
        ([], {}, False),
    ],
)
def test_a_list_that_lacks_rows_is_asked_of_rows(rows: list[Row], page: Any, is_whole: bool) -> None:
    """A page has as many rows as there are, or as its limit allows."""
    store = _Rolled(*rows)
    request_lists.found_requests(store, WINDOW, sort="faithfulness", descending=False, **page)
    assert store.asked[0] == _ROLLED[0]
    assert (_ROWS in store.asked) is not is_whole


@pytest.mark.parametrize(
    "page",
    [{"only_errors": True}, {"limit": 50, "offset": MOST_LOWEST - 49}, {"descending": True}, {"search": "session-1"}],
)
def test_lists_that_rollups_do_not_have_read_rows(page: Any) -> None:
    """The lowest that failed, those behind the lowest ones, the highest, and what is searched for."""
    store = _Rolled()
    request_lists.found_requests(store, WINDOW, **{"sort": "faithfulness", "descending": False} | page)
    assert store.params == []


@pytest.mark.parametrize(
    ("rows", "narrowed", "asked"),
    [
        (_listed(10, 400), {}, [0]),
        (_listed(4, 4), {}, [0]),
        (_listed(9, 400), {}, [0, 1]),  # more traces than the spare ones have calls and no request
        ([], {}, [0, 1]),
        (_listed(9, 400), {"route": "/"}, [1]),
        (_listed(9, 400), {"model": "m"}, [1]),
    ],
)
def test_the_dearest_are_looked_up_where_they_have_no_request(
    rows: list[Row], narrowed: dict[str, str], asked: list[int]
) -> None:
    """Of rows, as a short window is, and of a whole one only if the page came out shorter than it has to be."""
    told: list[int] = []

    class Dearest(_Rolled):
        """A store that lists some requests."""

        def query_rows(self, sql: str, params: Mapping[str, Any] | None = None) -> list[Row]:
            """Remember whether the traces were looked up."""
            if "is_narrowed" in (params or {}):
                told.append((params or {})["is_narrowed"])
                assert ((params or {})["spare"] > 0) is (told[-1] == 0)
                return rows
            return super().query_rows(sql, params)

    window = Filters(start=WINDOW.end - timedelta(hours=1), end=WINDOW.end, **narrowed)
    assert len(request_lists.traces(Dearest(), window, sort="cost", limit=10)) == len(rows)
    assert told == asked


def test_calls_that_report_a_cost_are_compared_as_rows() -> None:
    """Only where there are any; a name without one has no difference."""
    silent = _Rolled({"name": "m", "comparable_calls": 0})
    told = _Rolled({"name": "m", "comparable_calls": 3})
    for store in (silent, told):
        (row,) = queries.spend_by(store, WINDOW)
        assert row["differing_calls"] == 0
        assert "comparable_calls" not in row
    assert [len(store.asked) for store in (silent, told)] == [2, 3]  # prices, sums, and calls


def test_the_lists_of_a_period_are_as_long_as_a_question_reads() -> None:
    """The number stands in SQL and in `rollups/tables.py`."""
    fold = "".join(sql_text(f"rollups/{name}.sql") for name in ("scores", "longer_scores"))
    lengths = re.findall(r"groupArraySorted\((\d+)\)|\(Lowest\)\), 1, (\d+)\)", fold)
    assert [int("".join(each)) for each in lengths] == [MOST_LOWEST] * 2
