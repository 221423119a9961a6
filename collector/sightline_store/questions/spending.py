"""What model calls spent, by the name of who made them: of hours that are over as it is kept, of the rest as rows."""

from __future__ import annotations

from collections.abc import Sequence

from sightline_store.moments import sql_moment
from sightline_store.questions import conditions
from sightline_store.questions.asking import Asks, Filters, Row, ask, send
from sightline_store.questions.conditions import sql_text
from sightline_store.rollups import facts

_NAMES = {"user": "UserId", "session": "SessionId", "tenant": "toString(Tenant)", "model": "toString(Model)"}
"""What stands for `name`: a column by itself, by which the engine reads before all others."""


def by_name(client: Asks, filters: Filters, params: Row) -> list[Row]:
    """Spending by user, session, tenant or model, the dearest first; see `queries.spend_by`.

    Args:
        client: the store.
        filters: the window, and what it is narrowed to.
        params: of the question: those of `filters`, `by` and `limit`.

    Raises:
        StoreUnavailable: try again.
    """
    kept = _kept(client, filters)
    if not kept:
        is_of_people = params["by"] in {"user", "session"}
        return ask(client, "people/spend_by_person" if is_of_people else "spend_by", params)
    name = _NAMES[params["by"]]
    parts = {"every": _part(name), "dearest": _part(name, "AND name IN (SELECT arrayJoin(dearest))\n")}
    text = conditions.filled(sql_text("rollups/questions/spend_by_name.sql"), parts)
    named = {name: value for name, value in params.items() if name != "by"}
    return send(client, text, {**named, **kept})


def of_sessions(client: Asks, filters: Filters, session_ids: Sequence[str]) -> list[Row]:
    """Spending of some sessions; see `people.session_totals`. Raises as `by_name` does."""
    params, kept = {**filters.params(), "sessions": list(session_ids)}, _kept(client, filters)
    if not kept:
        return ask(client, "people/session_totals", params)
    every = _part("(SessionId, toString(Tenant))", "AND SessionId IN ({sessions:Array(String)})\n")
    text = conditions.filled(sql_text("rollups/questions/session_totals.sql"), {"every": every})
    return send(client, text, {**params, **kept})


def _part(name: str, narrowed: str = "") -> str:
    """The text that sums calls by a name, of those that a condition narrows them to."""
    return conditions.filled(sql_text("parts/spent_by_name.sql"), {"name": f"{name} AS name,\n", "names": narrowed})


def _kept(client: Asks, filters: Filters) -> Row:
    """The parameters that say of which hours of a window spending is kept; none where it is better read of rows."""
    hours = facts.priced_hours(client, filters)
    return dict(zip(("rolled_from", "rolled_to"), map(sql_moment, hours), strict=True)) if hours else {}
