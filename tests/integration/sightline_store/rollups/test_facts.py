"""Lists and searches of facts of requests are those of rows, at the prices that hold now."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from rolled_traffic import KEEP, RowsAlone, Traffic, differences, enter_price, enter_prices, window_of

from sightline_store.client import Client
from sightline_store.questions import request_lists
from sightline_store.questions.asking import Filters, Row
from sightline_store.rollups import facts, fold, keeping
from sightline_store.rollups.tables import DAY, FACTS, FACTS_MADE, MINUTE
from sightline_store.settings import RetentionSettings

_HOURS = 9.0
_Filled = tuple[Client, Traffic, datetime, dict[str, list[list[Any]]]]
_SINCE = datetime(2020, 1, 1, tzinfo=UTC)
_NARROWED: tuple[dict[str, str], ...] = (
    {},
    {"tenant": "acme"},
    {"route": "/v1/chat"},
    {"model": "gpt-4o"},
    {"tenant": "acme", "model": "gpt-4o"},
)
_SEARCHES = (
    "cost>0.01",
    "-cost>0.01",
    "tokens>=2000 -model:llama",
    "score.groundedness<0.5",
    "-score.faithfulness<0.5 ms>300",
    "stage:search -stage:guard",
    "model:gpt-4o -error",
    "-ttft>200 route:/v1/search tokens>1",
    "tenant:acme session:session-3 -stage:search",
    "service:api user:nobody -model:llama",
)


@pytest.fixture(autouse=True)
def _few_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows of some hours with few requests read facts too."""
    monkeypatch.setattr(facts, "SHORTEST", timedelta(hours=1))
    monkeypatch.setattr(facts, "FEWEST_REQUESTS", 0)


class _Asked:
    """A client that remembers whether facts were read, and whether rows of the whole window were in their place."""

    def __init__(self, client: Client, window: Filters) -> None:
        self._client, self._whole = client, window.params()
        self.read: list[str] = []

    def query_rows(self, sql: str, params: Any = None) -> list[Row]:
        """Ask, and remember what lists and counts are read of."""
        if "FROM rollup_facts\n" in sql:
            self.read.append("facts")
        elif "page" in sql and (params or {}).get("from") == self._whole["from"] and params["to"] == self._whole["to"]:
            self.read.append("rows")
        return self._client.query_rows(sql, params)


def _page(client: Any, window: Filters, **more: Any) -> list[Row]:
    return request_lists.found_requests(client, window, **{"limit": 10} | more)


def _require_facts(client: Client, window: Filters, **more: Any) -> list[Row]:
    """A page is read of facts but for the hour that is open, and is that of rows."""
    asked = _Asked(client, window)
    page = _page(asked, window, **more)
    assert set(asked.read) == {"facts"}, (window, more)
    found = differences(page, _page(RowsAlone(client), window, **more))
    assert not found, (window, more, found[:3])
    return page


def _fold(client: Client) -> int:
    """Make what is missing; of how many hours facts were."""
    return sum(made.hours_of_facts for made in fold.fold(client, KEEP))


def _with_sessions(client: Client) -> None:
    """As many requests more, in traces without calls, with a session each."""
    client.command(
        "INSERT INTO requests SELECT * REPLACE (concat(substring(TraceId, 1, 28), 'aaaa') AS TraceId, "
        "concat('session-', toString(cityHash64(TraceId) % 9)) AS SessionId) FROM requests"
    )


def _of_other_tenants(traffic: Traffic, requests: Sequence[list[Any]]) -> None:
    """Calls and stages of another tenant, and of none, in the traces of some requests."""
    after = timedelta(seconds=1)
    calls = [traffic.call(request, "openai", "gpt-4o", after) for request in requests]
    for place, call in enumerate(calls):
        call[3] = ("globex", "initech", "")[place % 3]
    stages = [[*call[:2], "other", call[3], "search", 3.0, "", False, datetime.now(UTC)] for call in calls]
    traffic.insert({"llm_calls": calls, "stages": stages})


@pytest.fixture
def filled(emptied: Callable[..., Client]) -> _Filled:
    """Nine hours of traffic with facts of what is over, the traffic, its end and its rows."""
    client, end = emptied("facts"), datetime.now(UTC) - timedelta(seconds=5)
    traffic = Traffic(client, 3, end)
    enter_prices(client)
    rows = traffic.add(400, _HOURS)
    _of_other_tenants(traffic, rows["requests"][:90])
    _with_sessions(client)
    assert _fold(client) >= _HOURS - 1
    assert _fold(client) == 0
    return client, traffic, end, rows


def test_lists_and_searches_are_those_of_rows(filled: _Filled) -> None:
    """In every order, of every narrowing, also two at once; later pages, failed requests, and every kind of term."""
    client, _, end, _ = filled
    for place, (sort, descending, narrowed) in enumerate(
        product(("time", "cost", "ttft", "total"), (True, False), _NARROWED)
    ):
        how: Row = {
            "sort": sort,
            "descending": descending,
            "search": "" if sort == "cost" and place % 2 else "tokens>=0",
        }
        assert _require_facts(client, window_of(end, _HOURS, **narrowed), **how)
    window = window_of(end, _HOURS)
    _require_facts(client, window, sort="cost", only_errors=True)
    _require_facts(client, window, sort="cost", limit=7, offset=63)
    _require_facts(client, window, sort="ttft", search="tokens>=0", offset=10_000)
    for search, narrowed in product(_SEARCHES, ({}, {"tenant": "acme"})):
        rows = _require_facts(client, window_of(end, _HOURS, **narrowed), search=search, limit=1000)
        assert bool(rows) is ("nobody" not in search)
        told = [
            request_lists.searched_requests(each, window_of(end, _HOURS, **narrowed), search=f"{search} word")
            for each in (client, RowsAlone(client))
        ]
        assert told[0] == told[1]
        assert told[0]["requests"] == len(rows)


def test_what_changes_is_made_anew(filled: _Filled) -> None:
    """Rows that come late or go, late scores, and a price; until then rows are read."""
    client, traffic, end, rows = filled
    window = window_of(end, _HOURS)
    client.command("DELETE FROM llm_calls WHERE cityHash64(SpanId, TraceId) % 5 = 0")
    traffic.add(30, 1, before=timedelta(hours=3))
    traffic.insert({"llm_calls": [[*row[:2], "late", *row[3:-1], datetime.now(UTC)] for row in rows["llm_calls"][:60]]})
    traffic.score(rows["requests"][:80])
    assert _fold(client) > 0
    for search in ("cost>0.01", "score.groundedness<0.5"):
        assert _require_facts(client, window, search=search)

    enter_price(client, "openai/gpt-4o-mini", datetime(2021, 1, 1, tzinfo=UTC), InputUsdPerMtok=50, OutputUsdPerMtok=50)
    hows: tuple[Row, ...] = ({"sort": "cost"}, {"search": "cost>0.01"})
    for how in hows:
        asked = _Asked(client, window)
        assert _page(asked, window, **how) == _page(RowsAlone(client), window, **how)
        assert asked.read == ["rows"]  # facts are at the old price
    assert _require_facts(client, window, search="tokens>10")
    assert _fold(client) >= _HOURS - 1
    keeping.enforce(client, KEEP)
    for narrowed in _NARROWED:
        assert _require_facts(client, window_of(end, _HOURS, **narrowed), sort="cost")


def test_a_call_in_the_next_hour_counts_for_its_request(emptied: Callable[..., Client]) -> None:
    """Also one that comes when the facts of both hours are made, and tells no model that was not known."""
    client, end = emptied("facts"), datetime.now(UTC) - timedelta(seconds=5)
    traffic = Traffic(client, 5, end)
    enter_price(client, "openai/gpt-4o", _SINCE, InputUsdPerMtok=3.0, OutputUsdPerMtok=3.0)
    traffic.add(60, _HOURS)
    edge = end.replace(minute=0, second=0, microsecond=0) - timedelta(hours=3)
    at, now = edge - timedelta(seconds=1), datetime.now(UTC)
    request = [at, "f" * 32, "r", "api", "/v1/chat", "acme", "Unset", 200, "", 5e3, None, "", 5, now]
    call = ["acme", "openai", "gpt-4o", "gpt-4o", "", 1000, 10, *[None] * 7, 3e3, "Unset"]
    traffic.insert({"requests": [request]})
    traffic.insert({"llm_calls": [[edge + timedelta(seconds=1), "f" * 32, "c", *call, now]]})
    assert _fold(client) > 0
    _require_facts(client, window_of(end, _HOURS, tenant="acme"), sort="cost", limit=1)
    call[5] = 90_000_000
    traffic.insert({"llm_calls": [[edge + timedelta(seconds=2), "f" * 32, "late", *call, datetime.now(UTC)]]})
    assert _page(RowsAlone(client), window_of(end, _HOURS), sort="cost")[0]["trace_id"] == "f" * 32
    assert _fold(client) >= 2
    for narrowed in ({}, {"tenant": "acme"}, {"model": "gpt-4o"}):
        page = _require_facts(client, window_of(end, _HOURS, **narrowed), sort="cost", limit=1)
        assert page[0]["trace_id"] == "f" * 32


def test_facts_of_requests_that_are_gone_are_not_believed(filled: _Filled) -> None:
    """A list with a deleted request is read of rows; facts go with the requests of their day."""
    client, _, end, _ = filled
    window = window_of(end, _HOURS)
    client.command(f"DELETE FROM requests WHERE TraceId = '{_page(client, window, sort='cost')[0]['trace_id']}'")
    asked = _Asked(client, window)
    assert _page(asked, window, sort="cost") == _page(RowsAlone(client), window, sort="cost")
    assert asked.read == ["facts", "rows"]
    assert keeping.enforce(client, KEEP) == []
    client.command("TRUNCATE TABLE requests")
    assert {(each.period, each.is_day) for each in keeping.enforce(client, KEEP)} == {(3600, True)}
    for table in (FACTS, FACTS_MADE):
        assert client.query_rows(f"SELECT count() AS n FROM {table}") == [{"n": 0}]
    assert facts.stretch(client, window, with_costs=False) is None
    assert list(facts.make(client, KEEP)) == []  # and are not made again


def test_facts_are_not_made_to_be_dropped(emptied: Callable[..., Client]) -> None:
    """Above the cap of rollups none are made; dropped ones are made again."""
    client, end = emptied("facts"), datetime.now(UTC) - timedelta(seconds=5)
    Traffic(client, 3, end).add(50, _HOURS)
    made = list(fold.fold(client, RetentionSettings(rollups_max_gib=1e-6)))
    assert made
    assert not sum(each.hours_of_facts for each in made)
    assert _fold(client) > 0
    keeping.drop(client)
    assert facts.stretch(client, window_of(end, _HOURS), with_costs=False) is None
    assert _fold(client) > 0


def test_what_goes_anyway_leaves_room_for_facts(
    emptied: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Minutes of a store that is folded for the first time are above the cap, and go with the next look at them."""
    client, end = emptied("facts"), datetime.now(UTC) - timedelta(seconds=5)
    Traffic(client, 3, end).add(50, _HOURS)
    for period, is_room in ((DAY, False), (MINUTE, True)):
        above = [keeping.Partition(period, 20200101 if period == MINUTE else 202001, 1, 4 * 1024**3)]
        monkeypatch.setattr(keeping, "partitions", lambda _, above=above: above)
        made = sum(each.hours_of_facts for each in fold.fold(client, RetentionSettings(rollups_days=0)))
        assert bool(made) is is_room, period
