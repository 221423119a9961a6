"""Lists of requests: one page of them by time, length, cost or score, and what is searched for among them.

Rows come back as those of `queries` do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from sightline_store.questions import conditions
from sightline_store.questions.asking import Asks, Filters, Row, ask, ask_rolled, by_halves, send, sql
from sightline_store.questions.search import parse
from sightline_store.rollups.plan import Reads
from sightline_store.rollups.tables import MOST_LONGEST

Sort = Literal["time", "ttft", "total", "cost", "groundedness", "faithfulness"]
_SPARE_TRACES = 500
"""Traces beyond those of a page, in place of those that have calls in the window and no request."""


def found_requests(
    client: Asks,
    filters: Filters,
    *,
    search: str = "",
    sort: Sort = "time",
    descending: bool = True,
    only_errors: bool = False,
    limit: int = 50,
    offset: int = 0,
) -> list[Row]:
    """One page of requests; `matching` in each row is the number on all pages.

    Sorted by a score, only answers that have it are listed. Unknown values sort last either way.

    Args:
        client: the store.
        filters: the window, and what it is narrowed to.
        search: in the language of `search.parse`. Words and attributes are looked for in the newest requests that hold
            its other terms: see `searched_requests`. Of a window that is searched in parts, in those of each part.
        sort: by what.
        descending: whether the greatest come first.
        only_errors: only requests that failed.
        limit: rows of a page.
        offset: rows before it.

    Raises:
        SearchError: the search cannot be read.
    """
    name = {"cost": "traces_by_cost", "groundedness": "traces_by_score", "faithfulness": "traces_by_score"}.get(
        sort, "traces"
    )
    narrowed = conditions.condition(parse(search))
    params = {
        **filters.params(),
        "descending": int(descending),
        "only_errors": int(only_errors),
        "limit": limit,
        "offset": offset,
        **narrowed.params,
    }
    params |= {"traces": {"sort": sort}, "traces_by_score": {"name": sort}}.get(name, {})
    if name == "traces" and descending and not narrowed.sql:
        return _listed(client, filters, params)
    if name == "traces_by_cost":
        return _by_cost(client, filters, narrowed, params)
    is_first = limit + offset <= MOST_LONGEST and not (narrowed.sql or only_errors)
    if name == "traces_by_score" and not descending and is_first:
        return ask_rolled(client, name, filters, params, Reads.SCORES, is_whole=lambda rows: _is_page(rows, params))
    if name == "traces":
        return _searched(client, filters, narrowed.put_into(sql(name)), params)
    return send(client, narrowed.put_into(sql(name)), params)


def with_totals(client: Asks, requests: Sequence[Row]) -> list[Row]:
    """Requests of `found_requests` with what each spent and scored."""
    totals = {row["trace_id"]: row for row in trace_totals(client, requests)}
    return [{**row, **totals[row["trace_id"]]} for row in requests]


def traces(client: Asks, filters: Filters, **how: Any) -> list[Row]:
    """One page of requests with what each spent and scored: `with_totals` of `found_requests`, with its arguments."""
    return with_totals(client, found_requests(client, filters, **how))


def _listed(client: Asks, filters: Filters, params: Row) -> list[Row]:
    """One page of requests, the newest or the longest first. Rollups have the longest ones as far as MOST_LONGEST."""
    limit, offset = params["limit"], params["offset"]
    if params["sort"] != "time" and (params["only_errors"] or limit + offset > MOST_LONGEST):
        return ask(client, "traces", params)
    return ask_rolled(client, "traces", filters, params, Reads.LONGEST, is_whole=lambda rows: _is_page(rows, params))


def _searched(client: Asks, filters: Filters, text: str, params: Row) -> list[Row]:
    """One page of requests that hold a search's terms, which may want a set of all traces of the window for each."""
    limit, offset = params["limit"], params["offset"]

    def of_part(part: Filters) -> list[Row]:
        page = {} if part == filters else {"limit": limit + offset, "offset": 0}
        return send(client, text, {**params, **part.params(), **page})

    parts = by_halves(filters, of_part)
    if len(parts) == 1:
        return parts[0]
    matching = sum(rows[0]["matching"] for rows in parts if rows)
    column = {"ttft": "ttft_ms", "total": "total_ms"}.get(params["sort"], "started_ms")
    direction = -1 if params["descending"] else 1

    def place(row: Row) -> tuple[bool, float, int]:
        value = row[column]
        return value is None, direction * (value or 0), -row["started_ms"]

    found = sorted((row for rows in parts for row in rows), key=place)
    return [{**row, "matching": matching} for row in found[offset : offset + limit]]


def _by_cost(client: Asks, filters: Filters, narrowed: conditions.Condition, params: Row) -> list[Row]:
    """One page of requests by their cost. Rollups have the dearest ones as far as MOST_LONGEST."""

    def of_rows() -> list[Row]:
        text = narrowed.put_into(sql("traces_by_cost"))
        is_narrowed = bool(narrowed.sql or params["route"] or params["model"] or params["only_errors"])
        spare = 0 if is_narrowed else _SPARE_TRACES
        rows = send(client, text, {**params, "is_narrowed": int(is_narrowed), "spare": spare})
        # Of a whole window the dearest traces are taken, which nearly all have a request.
        if is_narrowed or _is_page(rows, params):
            return rows
        return send(client, text, {**params, "is_narrowed": 1, "spare": 0})

    is_listed = params["descending"] and not (narrowed.sql or params["only_errors"])
    if not is_listed or params["limit"] + params["offset"] > MOST_LONGEST:
        return of_rows()
    return ask_rolled(
        client,
        "traces_by_cost",
        filters,
        params,
        Reads.REQUESTS,
        Reads.DEAREST,
        is_whole=lambda rows: _is_page(rows, params),
        of_rows=of_rows,
    )


def _is_page(rows: list[Row], params: Row) -> bool:
    """Whether rows are as many as their page has."""
    return bool(rows) and len(rows) == min(params["limit"], rows[0]["matching"] - params["offset"])


def searched_requests(client: Asks, filters: Filters, *, search: str = "", only_errors: bool = False) -> Row:
    """In how many requests words and attributes are looked for: `read` of the `requests` that hold its other terms."""
    narrowed = conditions.condition(parse(search), only_columns=True)
    params = {"only_errors": int(only_errors), **conditions.limits(), **narrowed.params}
    text = narrowed.put_into(sql("searched_requests"))
    parts = by_halves(filters, lambda part: send(client, text, {**params, **part.params()}))
    return {column: sum(rows[0][column] for rows in parts) for column in parts[0][0]}


def trace_totals(client: Asks, requests: Sequence[Row]) -> list[Row]:
    """What each trace of `requests` (rows with trace_id and started_ms) spent and how grounded its answer was."""
    if not requests:
        return []
    params = {
        "trace_ids": [row["trace_id"] for row in requests],
        "started_ms": [row["started_ms"] for row in requests],
    }
    return ask(client, "trace_totals", params)
