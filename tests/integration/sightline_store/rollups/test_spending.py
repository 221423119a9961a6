"""Spending of long windows by user, session, tenant and model, as it is kept of closed hours, is that of rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from rolled_traffic import KEEP, RowsAlone, Traffic, differences, enter_price, enter_prices, window_of

from sightline_store.client import Client
from sightline_store.questions import people, queries
from sightline_store.questions.asking import Filters, Row
from sightline_store.questions.queries import SpendBy
from sightline_store.rollups import facts, fold, keeping
from sightline_store.rollups.tables import SPENDING

_HOURS = 9.0
_Filled = tuple[Client, Traffic, datetime]
_BY: tuple[SpendBy, ...] = ("user", "session", "tenant", "model")
_NARROWED: tuple[dict[str, str], ...] = (
    {},
    {"tenant": "acme"},
    {"route": "/v1/chat"},
    {"model": "gpt-4o"},
    {"tenant": "acme", "model": "gpt-4o", "route": "/v1/search"},
)


@pytest.fixture(autouse=True)
def _few_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows of some hours with few calls read what is kept too."""
    monkeypatch.setattr(facts, "SHORTEST", timedelta(hours=1))
    monkeypatch.setattr(facts, "MANY_REQUESTS", 0)


class _Asked:
    """A client that remembers whether what is kept was read."""

    def __init__(self, client: Client) -> None:
        self._client, self.is_kept = client, False

    def query_rows(self, sql: str, params: Any = None) -> list[Row]:
        """Ask, and remember."""
        self.is_kept |= "FROM rollup_spending" in sql
        return self._client.query_rows(sql, params)


def _by_name(rows: Sequence[Row]) -> list[Row]:
    """Rows whose lists are in one order."""
    return [{**row, "priced_as": sorted(row["priced_as"])} for row in rows]


def _session(row: Row) -> tuple[str, str]:
    return row["session_id"], row["tenant_name"]


def _require_kept(client: Client, window: Filters, by: SpendBy, **more: Any) -> list[Row]:
    """Spending is read of what is kept, but for the hour that is open, and is that of rows."""
    asked = _Asked(client)
    rows = queries.spend_by(asked, window, by, **more)
    of_rows = queries.spend_by(RowsAlone(client), window, by, **more)
    assert asked.is_kept, (window, by)
    found = differences(_by_name(rows), _by_name(of_rows))
    assert not found, (window, by, found[:3])
    return rows


def _spread(client: Client) -> None:
    """Give the calls users and sessions: some of each trace another one, some none."""
    client.command(
        "ALTER TABLE llm_calls UPDATE UserId = if(TraceHash % 11 = 0, '', concat('user-', toString(TraceHash % 7))), "
        "SessionId = concat('session-', toString(if(SpanId = 'c1', TraceHash % 5, TraceHash % 40))) WHERE 1 "
        "SETTINGS mutations_sync = 2"
    )


@pytest.fixture
def filled(emptied: Callable[..., Client], monkeypatch: pytest.MonkeyPatch) -> _Filled:
    """Nine hours of traffic whose closed hours are kept, with its end. By tenant and model rows are asked, not sums."""
    client, end = emptied("spending"), datetime.now(UTC) - timedelta(seconds=5)
    traffic = Traffic(client, 3, end)
    enter_prices(client)
    traffic.add(400, _HOURS)
    _spread(client)
    assert _fold(client) >= _HOURS - 1
    monkeypatch.setattr("sightline_store.rollups.plan.plan", lambda *_, **__: None)
    return client, traffic, end


def _fold(client: Client) -> int:
    """Make what is missing; of how many hours."""
    return sum(made.hours_of_facts for made in fold.fold(client, KEEP))


def test_spending_is_that_of_rows(filled: _Filled) -> None:
    """By every name and of every narrowing, also several at once, with windows that begin and end within hours."""
    client, _, end = filled
    for by, narrowed in product(_BY, _NARROWED):
        assert _require_kept(client, window_of(end, _HOURS, **narrowed), by)
    for hours in (4.0, 5.6):
        assert len(_require_kept(client, window_of(end - timedelta(minutes=70), hours), "session", limit=7)) == 7
    for narrowed in _NARROWED:
        window, asked = window_of(end, _HOURS, **narrowed), _Asked(client)
        told = [
            sorted(people.session_totals(each, window, ["session-1", "session-2", "session-9"]), key=_session)
            for each in (asked, RowsAlone(client))
        ]
        assert told[0]
        assert asked.is_kept
        assert not differences(*told)
    short = Filters(start=end - timedelta(minutes=50), end=end)
    asked = _Asked(client)
    assert queries.spend_by(asked, short, "user") == queries.spend_by(RowsAlone(client), short, "user")
    assert not asked.is_kept


def test_what_changes_is_made_anew(filled: _Filled) -> None:
    """Calls that come late or go, and a price; until then rows are read."""
    client, traffic, end = filled
    window = window_of(end, _HOURS)
    client.command("DELETE FROM llm_calls WHERE cityHash64(SpanId, TraceId) % 5 = 0")
    traffic.add(60, _HOURS)
    _spread(client)
    assert _fold(client) > 0
    keeping.enforce(client, KEEP)
    before = _require_kept(client, window, "user")

    enter_price(client, "openai/gpt-4o-mini", datetime(2021, 1, 1, tzinfo=UTC), InputUsdPerMtok=50, OutputUsdPerMtok=50)
    asked = _Asked(client)
    rows = queries.spend_by(asked, window, "user")
    assert not asked.is_kept  # it is at the old price
    assert sum(row["cost_usd"] or 0 for row in rows) > sum(row["cost_usd"] or 0 for row in before)
    assert _fold(client) >= _HOURS - 1
    assert _require_kept(client, window, "user")


def test_a_trace_counts_once(emptied: Callable[..., Client]) -> None:
    """Whatever models its calls have, and in however many hours they lie."""
    client, end = emptied("spending"), datetime.now(UTC) - timedelta(seconds=5)
    traffic = Traffic(client, 3, end)
    enter_prices(client)
    traffic.add(20, _HOURS)
    edge = end.replace(minute=0, second=0, microsecond=0) - timedelta(hours=3)
    now, second = datetime.now(UTC), timedelta(seconds=1)
    request = [edge - 5 * second, "e" * 32, "r", "api", "/v1/chat", "umbrella", "Unset", 200, "", 5e3, None, "", 5, now]
    traffic.insert({"requests": [request]})
    models = ("gpt-4o", "gpt-4o-mini", "gpt-4o")
    calls = [traffic.call(request, "openai", model, second) for model in models]
    calls += [traffic.call(request, "openai", "gpt-4o", 9 * second)]
    traffic.insert({"llm_calls": calls})
    assert _fold(client) > 0

    def told(**narrowed: str) -> list[tuple[int, int]]:
        rows = _require_kept(client, window_of(end, _HOURS, tenant="umbrella", **narrowed), "user")
        return [(row["calls"], row["requests"]) for row in rows]

    assert told() == [(4, 1)]
    assert told(model="gpt-4o") == [(3, 1)]
    assert told(model="gpt-4o-mini") == [(1, 1)]
    assert told(route="/v1/chat") == [(4, 1)]
    assert told(route="/v1/search") == []


def test_it_goes_with_the_facts(filled: _Filled) -> None:
    """Dropped with all rollups, with its day, and where no line says which rows count."""
    client, _, end = filled
    client.command("TRUNCATE TABLE requests")
    assert {(each.period, each.is_day) for each in keeping.enforce(client, KEEP)} == {(3600, True)}
    assert client.query_rows(f"SELECT count() AS n FROM {SPENDING}") == [{"n": 0}]
    assert facts.priced_hours(client, window_of(end, _HOURS)) is None
