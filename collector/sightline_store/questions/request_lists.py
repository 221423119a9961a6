"""Lists of requests: one page of them by time, length, cost or score, and what is searched for among them.

Rows come back as those of `queries` do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal

from sightline_store.moments import sql_moment
from sightline_store.questions import conditions
from sightline_store.questions.asking import Asks, Filters, Row, ask, ask_rolled, by_halves, send, sql
from sightline_store.questions.conditions import Condition, Raw, filled, sql_text
from sightline_store.questions.search import Kind, Term, parse
from sightline_store.rollups import facts
from sightline_store.rollups.plan import Reads
from sightline_store.rollups.tables import MOST_LOWEST

Sort = Literal["time", "ttft", "total", "cost", "groundedness", "faithfulness"]
_SPARE_TRACES = 500
"""Traces beyond those of a page, in place of those that have calls in the window and no request."""
_HIDDEN = ("list_value", "list_trace")
"""Columns by which pages of parts of a window are put together."""


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
            its other terms: see `searched_requests`.
        sort: by what.
        descending: whether the greatest come first.
        only_errors: only requests that failed.
        limit: rows of a page.
        offset: rows before it.

    Raises:
        SearchError: the search cannot be read.
    """
    params = {
        **filters.params(),
        "descending": int(descending),
        "only_errors": int(only_errors),
        "limit": limit,
        "offset": offset,
    }
    terms = parse(search)
    if sort in {"groundedness", "faithfulness"}:
        return _by_score(client, filters, terms, {**params, "name": sort})
    return _Page(client, terms, {**params, "sort": sort}).of(filters)


def with_totals(client: Asks, requests: Sequence[Row]) -> list[Row]:
    """Requests of `found_requests` with what each spent and scored."""
    totals = {row["trace_id"]: row for row in trace_totals(client, requests)}
    return [{**row, **totals[row["trace_id"]]} for row in requests]


def traces(client: Asks, filters: Filters, **how: Any) -> list[Row]:
    """One page of requests with what each spent and scored: `with_totals` of `found_requests`, with its arguments."""
    return with_totals(client, found_requests(client, filters, **how))


def _by_score(client: Asks, filters: Filters, terms: Sequence[Term], params: Row) -> list[Row]:
    """One page of answers by a score."""
    narrowed = conditions.condition(terms)
    is_first = params["limit"] + params["offset"] <= MOST_LOWEST and not (terms or params["only_errors"])
    if is_first and not params["descending"]:
        return ask_rolled(
            client, "traces_by_score", filters, params, Reads.SCORES, is_whole=lambda rows: _is_page(rows, params)
        )
    return send(client, narrowed.put_into(sql("traces_by_score")), {**params, **narrowed.params})


@dataclass(frozen=True)
class _Part:
    """A part of a window, and how it is asked about."""

    window: Filters
    raw: Raw = Raw.READ
    of_facts: bool = False


def _parts(
    client: Asks, filters: Filters, terms: Sequence[Term], *, with_costs: bool, with_facts: bool = True
) -> list[_Part]:
    """The parts of a window in which a search is asked, the newest first.

    Raw spans are read within the reach of the search alone. Requests whose hours are over have facts; what is newer, or
    older, is rows.
    """
    reading, rest, raw = list[_Part](), filters, Raw.READ
    if any(map(conditions.reads_spans, terms)):
        reach = _reach(client, filters)
        if reach <= filters.start:
            return [_Part(filters)]
        reading = [_Part(replace(filters, start=reach))]
        if not conditions.reaches_names(terms):
            return reading
        rest, raw = replace(filters, end=reach), Raw.BEHIND
    return reading + _closed_and_open(client, rest, raw, terms, with_costs=with_costs, with_facts=with_facts)


def _closed_and_open(
    client: Asks, filters: Filters, raw: Raw, terms: Sequence[Term], *, with_costs: bool, with_facts: bool
) -> list[_Part]:
    """The parts of a window that are asked of facts and of rows, the newest first."""
    has_facts = with_facts and conditions.facts_have(terms)
    found = facts.stretch(client, filters, with_costs=with_costs) if has_facts else None
    if found is None:
        return [_Part(filters, raw)]
    begin, end = found
    parts = [_Part(replace(filters, start=begin, end=end), raw, of_facts=True)]
    if end < filters.end:
        parts.insert(0, _Part(replace(filters, start=end), raw))
    if begin > filters.start:
        parts.append(_Part(replace(filters, end=begin), raw))
    return parts


def _reach(client: Asks, filters: Filters) -> datetime:
    """When the requests begin whose raw spans a search of a window may read; before the window where all may be."""
    params = {"from": sql_moment(filters.start), "to": sql_moment(filters.end), "max_behind": conditions.MAX_BEHIND}
    rows = ask(client, "search_reach", params)
    return datetime.fromtimestamp(rows[0]["reach_ms"] / 1000 if rows else 0, UTC)


def _needs_costs(terms: Sequence[Term]) -> bool:
    return any(term.kind is Kind.COMPARES and term.key == "cost" for term in terms)


@dataclass(frozen=True)
class _Page:
    """One page of requests by time, length or cost, of the parts of a window.

    Attributes:
        client: the store.
        terms: that they hold.
        params: of the page.
    """

    client: Asks
    terms: Sequence[Term]
    params: Row

    def of(self, filters: Filters) -> list[Row]:
        """The page of a window."""
        for with_facts in (True, False):
            parts = _parts(
                self.client,
                filters,
                self.terms,
                with_costs=self.params["sort"] == "cost" or _needs_costs(self.terms),
                with_facts=with_facts,
            )
            pages = self._asked(filters, parts)
            if pages is not None:
                break
        rows = pages[0] if len(pages := pages or [[]]) == 1 else self._together(pages)
        return [{key: value for key, value in row.items() if key not in _HIDDEN} for row in rows]

    def _asked(self, filters: Filters, parts: Sequence[_Part]) -> list[list[Row]] | None:
        """The pages of the parts; None where requests that facts tell of are gone."""
        pages: list[list[Row]] = []
        for part in parts:
            condition = conditions.condition(self.terms, raw=part.raw, of_facts=part.of_facts)

            def of_window(window: Filters, part: _Part = part, condition: Condition = condition) -> list[Row]:
                params = {**self.params, **window.params(), **condition.params}
                if window != filters:
                    params |= {"limit": params["limit"] + params["offset"], "offset": 0}
                rows = self._of_facts(condition, params) if part.of_facts else self._of_rows(condition, params)
                if part.of_facts and rows and not _is_page(rows, params):
                    raise _Gone
                return rows

            try:
                pages += by_halves(part.window, of_window)
            except _Gone:
                return None
        return pages

    def _of_facts(self, condition: Condition, params: Row) -> list[Row]:
        # Over what a search leaves; of all the rows of a window a scan for itself is shorter.
        counted = "count() OVER ()" if condition.sql else sql_text("parts/counted_facts.sql")
        text = filled(sql_text("rollups/questions/listed_facts.sql"), {"counted": counted})
        return send(self.client, condition.put_into(text), params)

    def _of_rows(self, condition: Condition, params: Row) -> list[Row]:
        if params["sort"] != "cost":
            return send(self.client, condition.put_into(sql("traces")), params)
        text = condition.put_into(sql("traces_by_cost"))
        params = {name: value for name, value in params.items() if name != "sort"}
        is_narrowed = bool(condition.sql or params["route"] or params["model"] or params["only_errors"])
        spare = 0 if is_narrowed else _SPARE_TRACES
        rows = send(self.client, text, {**params, "is_narrowed": int(is_narrowed), "spare": spare})
        # Of a whole window the dearest traces are taken, which nearly all have a request.
        if is_narrowed or _is_page(rows, params):
            return rows
        return send(self.client, text, {**params, "is_narrowed": 1, "spare": 0})

    def _together(self, pages: Sequence[list[Row]]) -> list[Row]:
        """The page of the whole window, of those of its parts from their beginning on."""
        limit, offset, sort = self.params["limit"], self.params["offset"], self.params["sort"]
        matching = sum(rows[0]["matching"] for rows in pages if rows)
        column = {"ttft": "ttft_ms", "total": "total_ms", "cost": "list_value"}.get(sort, "started_ms")
        direction = -1 if self.params["descending"] else 1

        def place(row: Row) -> tuple[bool, float, int, int]:
            value = row[column]
            is_by_trace = sort == "cost" and value is not None
            newest = 0 if is_by_trace else -row["started_ms"]
            return value is None, direction * (value or 0), newest, row.get("list_trace", 0)

        found = sorted((row for rows in pages for row in rows), key=place)
        return [{**row, "matching": matching} for row in found[offset : offset + limit]]


class _Gone(Exception):
    """Requests that facts tell of are not there any more."""


def _is_page(rows: list[Row], params: Row) -> bool:
    """Whether rows are as many as their page has."""
    return bool(rows) and len(rows) == min(params["limit"], rows[0]["matching"] - params["offset"])


def searched_requests(client: Asks, filters: Filters, *, search: str = "", only_errors: bool = False) -> Row:
    """In how many requests words and attributes are looked for: `read` of the `requests` that hold its other terms."""
    terms = [term for term in parse(search) if not conditions.reads_spans(term)]
    reach_ms = int(max(_reach(client, filters), filters.start).timestamp() * 1000)
    counts: list[Row] = []
    for part in _closed_and_open(client, filters, Raw.LEFT_OUT, terms, with_costs=_needs_costs(terms), with_facts=True):
        narrowed = conditions.condition(terms, raw=Raw.LEFT_OUT, of_facts=part.of_facts)
        text = sql_text("rollups/questions/searched_requests.sql") if part.of_facts else sql("searched_requests")
        params = {"only_errors": int(only_errors), "reach_ms": reach_ms, **narrowed.params}
        of_window = partial(_counted, client, narrowed.put_into(text), params)
        counts += [row for rows in by_halves(part.window, of_window) for row in rows]
    requests, read = (sum(row[column] for row in counts) for column in ("requests", "read"))
    return {"requests": requests, "read": min(read, conditions.MAX_READ)}


def _counted(client: Asks, text: str, params: Row, window: Filters) -> list[Row]:
    return send(client, text, {**params, **window.params()})


def trace_totals(client: Asks, requests: Sequence[Row]) -> list[Row]:
    """What each trace of `requests` (rows with trace_id and started_ms) spent and how grounded its answer was."""
    if not requests:
        return []
    params = {
        "trace_ids": [row["trace_id"] for row in requests],
        "started_ms": [row["started_ms"] for row in requests],
    }
    return ask(client, "trace_totals", params)
