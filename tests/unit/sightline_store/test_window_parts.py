"""Questions about a window that want more memory than a statement may take are asked about its parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from sightline_store.errors import StoreBusy
from sightline_store.questions import request_lists
from sightline_store.questions.asking import SHORTEST_PART, Filters, Row, by_halves
from sightline_store.questions.conditions import sql_text
from sightline_store.rollups import facts

END = datetime(2026, 3, 1, tzinfo=UTC)
DAY = Filters(start=END - timedelta(days=1), end=END)
TOO_MUCH = StoreBusy("http://127.0.0.1", 241, "Query memory limit exceeded: would use 769 MiB, maximum: 768 MiB")
NUMBERS = "tokens>1"


class SmallStore:
    """Requests of every minute of a day; a statement about more than `most` of them wants too much memory.

    Args:
        most: requests of a statement.
        hours: those of the day that have facts.
        cost_hours: those with facts at the prices that hold now.
        reach: minute of the day as far back as a search reads raw spans.
    """

    def __init__(
        self, most: int = 2000, hours: Sequence[int] = (), cost_hours: Sequence[int] | None = None, reach: int = 0
    ) -> None:
        self.most, self.hours, self.reach = most, hours, reach
        self.cost_hours = hours if cost_hours is None else cost_hours
        self.read: list[tuple[str, int, int]] = []
        self.counted, self.gone = 0, False
        self.requests = [
            {
                "started_ms": int((DAY.start + timedelta(minutes=minute)).timestamp() * 1000),
                "trace_id": f"{minute:032x}",
                "ttft_ms": None if minute % 7 == 0 else float(minute * 37 % 1440),
                "total_ms": float(minute),
                "list_value": None if minute % 5 == 0 else float(minute % 90),
                "list_trace": minute * 7919 % 1440,
            }
            for minute in range(1440)
        ]

    def query_rows(self, sql: str, params: Mapping[str, Any] | None = None) -> list[Row]:
        """The page or the count that is asked for."""
        assert params is not None
        day_s = int(DAY.start.timestamp())
        if sql == sql_text("rollups/facts/known.sql"):
            starts = [day_s + hour * 3600 for hour in self.hours if day_s + hour * 3600 >= int(params["since_s"])]
            priced = [(start - day_s) // 3600 in self.cost_hours for start in starts]
            return [{"starts": starts, "requests": [60] * len(starts), "priced": priced}]
        if sql == sql_text("rollups/coverage.sql"):
            return []
        if sql == sql_text("queries/search_reach.sql"):
            return [{"reach_ms": (day_s + self.reach * 60) * 1000}]
        first, after = (
            datetime.fromisoformat(params[name]).replace(tzinfo=UTC).timestamp() * 1000 for name in ("from", "to")
        )
        found = [row for row in self.requests if first <= row["started_ms"] < after]
        if len(found) > self.most:
            raise TOO_MUCH
        of = "facts" if "FROM rollup_facts\n" in sql else "spans" if "otel_traces" in sql else "rows"
        self.read.append((of, *(int(edge / 1000 - day_s) // 60 for edge in (first, after))))
        if "limit" not in params:
            self.counted += 1
            return [{"requests": len(found), "read": sum(row["started_ms"] >= params["reach_ms"] for row in found)}]
        page = sorted(found, key=lambda row: self._place(row, params))
        page = page[params["offset"] : params["offset"] + params["limit"]]
        return [{**row, "matching": len(found)} for row in page[of == "facts" and self.gone :]]

    def _place(self, row: Row, params: Mapping[str, Any]) -> Any:
        column = {"ttft": "ttft_ms", "total": "total_ms", "cost": "list_value"}.get(
            sort := params.get("sort", "cost"), "started_ms"
        )
        sign, value = -1 if params["descending"] else 1, row[column]
        newest = 0 if sort == "cost" and value is not None else -row["started_ms"]
        return value is None, sign * (value or 0), newest, row["list_trace"]


def newest_first(read: list[tuple[str, int, int]]) -> list[tuple[str, int, int]]:
    """Parts that were read. They are asked side by side, as are the page and the number of requests of one."""
    return sorted(dict.fromkeys(read), key=lambda part: -part[1])


@pytest.fixture(autouse=True)
def _few_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Facts of few requests are read."""
    monkeypatch.setattr(facts, "FEWEST_REQUESTS", 0)


@pytest.mark.parametrize("sort", ["time", "ttft", "total", "cost"])
@pytest.mark.parametrize("descending", [True, False])
@pytest.mark.parametrize("offset", [0, 40, 1400, 1500])
def test_a_page_of_parts_is_the_page_of_the_whole(sort: Any, *, descending: bool, offset: int) -> None:
    """Also a later page, unknown values, and the last, short page; of facts and rows, and of halves."""
    how: dict[str, Any] = {"search": NUMBERS, "sort": sort, "descending": descending, "limit": 50, "offset": offset}
    whole = request_lists.found_requests(SmallStore(), DAY, **how)
    assert request_lists.found_requests(SmallStore(200), DAY, **how) == whole
    assert request_lists.found_requests(store := SmallStore(hours=range(3, 23)), DAY, **how) == whole
    assert newest_first(store.read) == [("rows", 1380, 1440), ("facts", 180, 1380), ("rows", 0, 180)]
    assert (store.counted > 0) is (sort == "time" and descending and offset < 1400)
    assert request_lists.found_requests(SmallStore(200, hours=range(3, 23)), DAY, **how) == whole
    assert len(whole) == min(50, max(0, 1440 - offset))
    assert not {"list_value", "list_trace"} & {column for row in whole for column in row}


@pytest.mark.parametrize(
    ("store", "how", "read"),
    [
        (SmallStore(hours=range(24)), {"search": NUMBERS}, [("facts", 0, 1440)]),
        (SmallStore(hours=[*range(9), *range(10, 14)]), {"search": NUMBERS}, [("rows", 540, 1440), ("facts", 0, 540)]),
        (SmallStore(), {"search": NUMBERS}, [("rows", 0, 1440)]),
        # At the prices of before costs are not read.
        (SmallStore(hours=range(24), cost_hours=()), {"sort": "cost", "search": NUMBERS}, [("rows", 0, 1440)]),
        (SmallStore(hours=range(24), cost_hours=()), {"search": "cost>1"}, [("rows", 0, 1440)]),
        (SmallStore(hours=range(24), cost_hours=()), {"search": NUMBERS}, [("facts", 0, 1440)]),
        # Facts have no ids of traces.
        (SmallStore(hours=range(24)), {"search": "tokens>1 trace:ab"}, [("rows", 0, 1440)]),
        (SmallStore(hours=range(24)), {"search": "tokens>1 0123456789abcdef"}, [("rows", 0, 1440)]),
        # What the rows of requests tell is read of them.
        (SmallStore(hours=range(24)), {"search": "ttft>1 error user:a"}, [("rows", 0, 1440)]),
        (SmallStore(hours=range(24)), {"sort": "ttft", "only_errors": True}, [("rows", 0, 1440)]),
        (SmallStore(hours=range(24)), {"sort": "cost"}, [("facts", 0, 1440)]),
        # Raw spans are read within the reach of a search; behind it words may be a part of a name.
        (SmallStore(hours=range(24), reach=930), {"search": "ship"}, [("spans", 900, 1440), ("facts", 0, 900)]),
        (
            SmallStore(hours=range(24), reach=930),
            {"search": "ship tokens>1"},
            [("spans", 900, 1440), ("facts", 0, 900)],
        ),
        (SmallStore(hours=range(24), reach=930), {"search": "cafe tokens>1"}, [("spans", 900, 1440), ("rows", 0, 900)]),
        (SmallStore(hours=range(24), reach=930), {"search": "-ship tokens>1"}, [("spans", 900, 1440)]),
        (SmallStore(hours=range(24), reach=930), {"search": "a.b:c ship"}, [("spans", 900, 1440)]),
        (SmallStore(hours=range(24), reach=-9), {"search": "ship"}, [("spans", 0, 1440)]),
    ],
)
def test_each_part_is_read_of_what_tells_of_it(
    store: SmallStore, how: dict[str, Any], read: list[tuple[str, int, int]]
) -> None:
    """Minutes of the day, the newest part first."""
    store.read.clear()
    request_lists.found_requests(store, DAY, limit=5, **how)
    assert newest_first(store.read) == read


def test_what_is_narrowed_to_a_model_is_joined() -> None:
    """As a search that names one."""
    store = SmallStore(hours=range(24))
    request_lists.found_requests(store, replace(DAY, model="m"))
    assert newest_first(store.read) == [("facts", 0, 1440)]


def test_many_requests_of_a_tenant_are_read_of_facts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few are read as rows, and all those of a window that is not narrowed."""
    store = SmallStore(hours=range(24))
    request_lists.found_requests(store, replace(DAY, tenant="acme"), sort="total")
    assert newest_first(store.read) == [("rows", 0, 1440)]
    monkeypatch.setattr(facts, "MANY_REQUESTS", 1440)
    store.read.clear()
    request_lists.found_requests(store, replace(DAY, tenant="acme"), sort="total")
    assert newest_first(store.read) == [("facts", 0, 1440)]
    store.read.clear()
    request_lists.found_requests(store, DAY, sort="total")
    assert newest_first(store.read) == [("rows", 0, 1440)]


def test_facts_of_requests_that_are_gone_are_not_believed() -> None:
    """The whole window is read as rows then; short windows are anyway."""
    store = SmallStore(hours=range(24))
    store.gone = True
    rows = request_lists.found_requests(store, DAY, search=NUMBERS, limit=5)
    assert rows == request_lists.found_requests(SmallStore(), DAY, search=NUMBERS, limit=5)
    assert store.read == [("facts", 0, 1440), ("rows", 0, 1440)]
    short = replace(DAY, start=DAY.end - facts.SHORTEST + timedelta(seconds=1))
    assert facts.stretch(store, short, with_costs=False) is None


def test_the_first_hour_of_a_window_may_begin_before_it() -> None:
    """The stretch with most requests is taken; an hour that goes on behind the window has none."""
    day_s = int(DAY.start.timestamp())
    window = replace(DAY, start=DAY.start + timedelta(minutes=20), end=DAY.end - timedelta(minutes=20))
    hours = [(day_s + hour * 3600, 60) for hour in range(24)]
    assert facts.longest(hours, window) == (window.start, DAY.end - timedelta(hours=1))
    assert facts.longest([hours[1], *[(start, 9) for start, _ in hours[3:]]], window) == (
        DAY.start + timedelta(hours=3),
        DAY.end - timedelta(hours=1),
    )
    assert facts.longest([], window) is None
    assert facts.longest([(start, 0) for start, _ in hours], window) is None


def test_counts_of_parts_are_added() -> None:
    """Words are looked for as far as the search reaches, and in no more than the newest requests."""
    told = {"requests": 1440, "read": 540}
    for store in (SmallStore(reach=900), SmallStore(720, reach=900), SmallStore(reach=900, hours=range(3, 23))):
        assert request_lists.searched_requests(store, DAY, search=f"{NUMBERS} word") == told
    assert {of for of, *_ in store.read} == {"facts", "rows"}


def test_parts_lie_side_by_side_and_end() -> None:
    """The newest first; a window that cannot be taken apart further fails as it did, and so does any other failure."""
    odd = replace(DAY, start=DAY.start - timedelta(milliseconds=1))
    asked: list[Filters] = []

    def answer(part: Filters) -> list[Row]:
        if part.duration > timedelta(hours=5):
            raise TOO_MUCH
        asked.append(part)
        return [{}]

    assert len(by_halves(odd, answer)) == len(asked) == 8
    assert (asked[-1].start, asked[0].end) == (odd.start, odd.end)
    assert all(newer.start == older.end for newer, older in pairwise(asked))

    tried: list[Filters] = []
    of_all = StoreBusy("http://127.0.0.1", 241, "(total) memory limit exceeded")
    for failure, times in ((TOO_MUCH, 7), (of_all, 1), (StoreBusy("http://127.0.0.1", 202, "Too many"), 1)):

        def fail(part: Filters, failure: StoreBusy = failure) -> list[Row]:
            tried.append(part)
            raise failure

        tried.clear()
        with pytest.raises(StoreBusy):
            by_halves(DAY, fail)
        assert len(tried) == times
        assert tried[-1].duration >= SHORTEST_PART
