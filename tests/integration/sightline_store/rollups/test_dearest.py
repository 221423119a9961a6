"""The dearest requests of a long window are those of rows, at the prices that hold now."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from rolled_traffic import KEEP, RowsAlone, Traffic, enter_price, window_of

from sightline_store.client import Client
from sightline_store.questions import request_lists
from sightline_store.questions.asking import Filters, Row
from sightline_store.rollups import dearest, fold, keeping

_HOURS = 9.0


class _Asked:
    """A client that remembers whether lists were read, and whether rows were read in their place."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.files: list[str] = []

    def query_rows(self, sql: str, params: Any = None) -> list[Row]:
        """Ask, and remember the question by its first words."""
        if sql.startswith("-- The question traces_by_cost"):
            self.files.append("lists")
        elif sql.startswith("-- Which requests cost most"):
            self.files.append("rows")
        return self._client.query_rows(sql, params)


def _window(end: datetime, **narrowed: str) -> Filters:
    return window_of(end, _HOURS, **narrowed)


def _page(client: Any, window: Filters, **more: Any) -> list[Row]:
    return request_lists.found_requests(client, window, sort="cost", **{"limit": 10} | more)


def _require_lists(client: Client, window: Filters, **more: Any) -> None:
    """A page is read from lists alone, and is that of rows."""
    asked = _Asked(client)
    page = _page(asked, window, **more)
    assert asked.files == ["lists"]
    assert page == _page(RowsAlone(client), window, **more)
    assert page


def _fold(client: Client) -> int:
    """Make what is missing; how many lists were."""
    return sum(made.lists for made in fold.fold(client, KEEP))


def test_the_dearest_requests_are_those_of_rows(emptied: Callable[..., Client]) -> None:
    """Of all, of a tenant, a route and a model; after rows that come late or go, and after a price has changed."""
    client, end = emptied("dearest"), datetime.now(UTC) - timedelta(seconds=5)
    traffic = Traffic(client, 3, end)
    since = datetime(2020, 1, 1, tzinfo=UTC)
    for key, usd in (("openai/gpt-4o", 3.0), ("openai/gpt-4o-mini", 1.0), ("local/llama", 0.5)):
        enter_price(client, key, since, InputUsdPerMtok=usd, OutputUsdPerMtok=usd)
    rows = traffic.add(600, _HOURS)
    narrowed: tuple[dict[str, str], ...] = ({}, {"tenant": "acme"}, {"route": "/v1/chat"}, {"model": "gpt-4o"})
    assert _fold(client) >= _HOURS - 1
    assert _fold(client) == 0
    for each in narrowed:
        _require_lists(client, _window(end, **each))
        _require_lists(client, _window(end, **each), limit=7, offset=13)

    client.command("DELETE FROM llm_calls WHERE cityHash64(SpanId, TraceId) % 5 = 0")
    traffic.add(30, 1, before=timedelta(hours=3))
    late = [[*row[:1], row[1], "late", *row[3:-1], datetime.now(UTC)] for row in rows["llm_calls"][:60]]
    traffic.insert({"llm_calls": late})
    assert _fold(client) > 0
    for each in narrowed:
        _require_lists(client, _window(end, **each))

    enter_price(
        client, "openai/gpt-4o-mini", datetime(2021, 1, 1, tzinfo=UTC), InputUsdPerMtok=50.0, OutputUsdPerMtok=50.0
    )
    asked = _Asked(client)
    assert _page(asked, _window(end)) == _page(RowsAlone(client), _window(end))
    assert "lists" not in asked.files  # which are at the old price
    assert _fold(client) >= _HOURS - 1
    keeping.enforce(client, KEEP)
    for each in narrowed:
        _require_lists(client, _window(end, **each))


def test_a_call_in_the_next_hour_counts_for_its_request(emptied: Callable[..., Client]) -> None:
    """Also one that comes when the lists of both hours are made, and tells no model that was not known."""
    client, end = emptied("dearest_edges"), datetime.now(UTC) - timedelta(seconds=5)
    traffic = Traffic(client, 5, end)
    enter_price(client, "openai/gpt-4o", datetime(2020, 1, 1, tzinfo=UTC), InputUsdPerMtok=3.0, OutputUsdPerMtok=3.0)
    traffic.add(60, _HOURS)
    edge = end.replace(minute=0, second=0, microsecond=0) - timedelta(hours=3)
    request = [
        edge - timedelta(seconds=1),
        "f" * 32,
        "r",
        "api",
        "/v1/chat",
        "acme",
        "Unset",
        200,
        "",
        5e3,
        None,
        "",
        5,
    ]
    call = ["acme", "openai", "gpt-4o", "gpt-4o", "", 1000, 10, *[None] * 7, 3e3, "Unset"]
    now = datetime.now(UTC)
    traffic.insert({"requests": [[*request, now]]})
    traffic.insert({"llm_calls": [[edge + timedelta(seconds=1), "f" * 32, "c", *call, now]]})
    assert _fold(client) > 0
    _require_lists(client, _window(end, tenant="acme"), limit=1)
    call[5] = 90_000_000
    traffic.insert({"llm_calls": [[edge + timedelta(seconds=2), "f" * 32, "late", *call, datetime.now(UTC)]]})
    assert _page(RowsAlone(client), _window(end))[0]["trace_id"] == "f" * 32
    assert _fold(client) >= 2
    for narrowed in ({}, {"tenant": "acme"}, {"model": "gpt-4o"}):
        _require_lists(client, _window(end, **narrowed), limit=1)


def test_pages_that_lists_cannot_fill_are_read_of_rows(emptied: Callable[..., Client]) -> None:
    """The cheapest first, failed ones, those behind the fiftieth, of a search, and where a listed row is gone."""
    client, end = emptied("dearest_pages"), datetime.now(UTC) - timedelta(seconds=5)
    traffic = Traffic(client, 4, end)
    enter_price(client, "openai/gpt-4o", datetime(2020, 1, 1, tzinfo=UTC), InputUsdPerMtok=3.0, OutputUsdPerMtok=3.0)
    traffic.add(200, _HOURS)
    _fold(client)
    window = _window(end)
    for more in ({"descending": False}, {"only_errors": True}, {"offset": 45}, {"search": "ms>1"}):
        asked = _Asked(client)
        assert _page(asked, window, **more) == _page(RowsAlone(client), window, **more)
        assert set(asked.files) == {"rows"}
    client.command(f"DELETE FROM requests WHERE TraceId = '{_page(client, window)[0]['trace_id']}'")
    asked = _Asked(client)
    assert _page(asked, window) == _page(RowsAlone(client), window)
    assert asked.files[0] == "lists"
    assert "rows" in asked.files
    keeping.drop(client)
    assert dearest.listed(client, window.params()["from"], window.params()["to"]) == {3600: set(), 86400: set()}
