"""Questions about a window that want more memory than a statement may take are asked about its parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from sightline_store.errors import StoreBusy
from sightline_store.questions import request_lists
from sightline_store.questions.asking import SHORTEST_PART, Filters, Row, by_halves

END = datetime(2026, 3, 1, tzinfo=UTC)
DAY = Filters(start=END - timedelta(days=1), end=END)
TOO_MUCH = StoreBusy("http://127.0.0.1", 241, "Query memory limit exceeded: would use 769 MiB, maximum: 768 MiB")
NUMBERS = "ttft>1"


class SmallStore:
    """Requests of every minute of a day; a statement about more than `most` of them wants too much memory."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.requests = [
            {
                "started_ms": int((DAY.start + timedelta(minutes=minute)).timestamp() * 1000),
                "trace_id": f"{minute:032x}",
                "ttft_ms": None if minute % 7 == 0 else float(minute * 37 % 1440),
                "total_ms": float(minute),
            }
            for minute in range(1440)
        ]

    def query_rows(self, sql: str, params: Mapping[str, Any] | None = None) -> list[Row]:
        """The page that is asked for."""
        assert params is not None
        first, after = (
            datetime.fromisoformat(params[name]).replace(tzinfo=UTC).timestamp() * 1000 for name in ("from", "to")
        )
        found = [row for row in self.requests if first <= row["started_ms"] < after]
        if len(found) > self.most:
            raise TOO_MUCH
        if "sort" not in params:
            return [{"requests": len(found), "read": min(100, len(found))}]
        column = {"ttft": "ttft_ms", "total": "total_ms"}.get(params["sort"], "started_ms")
        sign = -1 if params["descending"] else 1
        found.sort(key=lambda row: (row[column] is None, sign * (row[column] or 0), -row["started_ms"]))
        page = found[params["offset"] : params["offset"] + params["limit"]]
        return [{**row, "matching": len(found)} for row in page]


@pytest.mark.parametrize("sort", ["time", "ttft", "total"])
@pytest.mark.parametrize("descending", [True, False])
@pytest.mark.parametrize("offset", [0, 40, 1400, 1500])
def test_a_page_of_parts_is_the_page_of_the_whole(sort: Any, *, descending: bool, offset: int) -> None:
    """Also a later page, unknown values, and the last, short page."""
    how: dict[str, Any] = {"search": NUMBERS, "sort": sort, "descending": descending, "limit": 50, "offset": offset}
    whole = request_lists.found_requests(SmallStore(2000), DAY, **how)
    assert request_lists.found_requests(SmallStore(200), DAY, **how) == whole
    assert len(whole) == min(50, max(0, 1440 - offset))


def test_counts_of_parts_are_added() -> None:
    """Each part is looked through as far as a window is."""
    assert request_lists.searched_requests(SmallStore(2000), DAY, search=NUMBERS) == {"requests": 1440, "read": 100}
    assert request_lists.searched_requests(SmallStore(720), DAY, search=NUMBERS) == {"requests": 1440, "read": 200}


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
