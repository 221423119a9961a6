"""Lists of requests: one page of them by time, length, cost or score, and what is searched for among them.

Rows come back as those of `queries` do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from sightline_store.questions import conditions
from sightline_store.questions.asking import Asks, Filters, Row, ask, ask_rolled, by_halves, send, sql, together
from sightline_store.questions.conditions import Condition, Raw, sql_text
from sightline_store.questions.parts import Part, closed_and_open, parts, reach
from sightline_store.questions.search import Term, parse
from sightline_store.rollups.plan import Reads, plan
from sightline_store.rollups.tables import MOST_LOWEST

Sort = Literal["time", "ttft", "total", "cost", "groundedness", "faithfulness"]
_SPARE_TRACES = 500
"""Traces beyond those of a page, in place of those that have calls in the window and no request."""
_HIDDEN = ("list_value", "list_trace")
"""Columns by which pages of parts of a window are put together."""
_COUNT = "count() OVER ()"
"""How a list's text counts the requests of all pages."""

_UNSPENT: Row = {"models": [], "llm_calls": 0, "input_tokens": None, "output_tokens": None, "cost_usd": None}
_UNJUDGED: Row = {"groundedness": None, "faithfulness": None, "judged": 0}
"""What a trace has without calls, and without scores."""


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
class _Page:
    """One page of requests by time, length or cost, put together of the parts of a window.

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
        by_cost = self.params["sort"] == "cost"
        try:
            pages = self._pages(filters, parts(self.client, filters, self.terms, by_cost=by_cost))
        except _Gone:
            pages = self._pages(filters, parts(self.client, filters, self.terms, with_facts=False))
        return [{key: value for key, value in row.items() if key not in _HIDDEN} for row in self._together(pages)]

    def _pages(self, filters: Filters, asked: Sequence[Part]) -> list[list[Row]]:
        """The pages of the parts; a part of a longer window has one from its beginning on.

        Raises:
            _Gone: requests that facts tell of are gone.
        """
        enough = self.params["limit"] + self.params["offset"]
        is_newest_first = self.params["sort"] == "time" and self.params["descending"]

        def of_part(part: Part, newer: Sequence[list[Row]] = ()) -> list[list[Row]]:
            condition = part.condition(self.terms)

            def of_window(window: Filters) -> list[Row]:
                params = {**self.params, **window.params(), **condition.params}
                if is_newest_first and sum(map(len, newer)) >= enough:
                    count = self._counting(window, condition, params, of_facts=part.of_facts)
                    return [{"matching": count()["requests"]}]
                if window != filters:
                    params |= {"limit": enough, "offset": 0}
                ask_part = self._of_facts if part.of_facts else self._of_rows
                return ask_part(window, condition, params)

            return by_halves(part.window, of_window)

        if not is_newest_first or any(part.raw is Raw.BEHIND for part in asked):
            # Each part has few requests, or any of them may be on the page.
            return [page for pages in together([partial(of_part, part) for part in asked]) for page in pages]
        pages: list[list[Row]] = []
        for part in asked:
            pages += of_part(part, pages)
        return pages

    def _of_facts(self, window: Filters, condition: Condition, params: Row) -> list[Row]:
        text = in_order(sql_text("rollups/questions/listed_facts.sql"), params)
        if condition.sql:
            rows = send(self.client, condition.put_into(text), params)
        else:
            rows = self._counted_by(text, self._counting(window, condition, params, of_facts=True), params)
        if rows and not _is_page(rows, params):
            raise _Gone
        return rows

    def _of_rows(self, window: Filters, condition: Condition, params: Row) -> list[Row]:
        if params["sort"] != "cost":
            text = in_order(sql("traces"), params)
            if condition.sql:
                return send(self.client, condition.put_into(text), params)
            if count := _count_by_rollups(self.client, window, params):
                return self._counted_by(text, count, params)
            return send(self.client, counted_apart(text), params)
        text = condition.put_into(sql("traces_by_cost"))
        params = {name: value for name, value in params.items() if name != "sort"}
        is_narrowed = bool(condition.sql or params["route"] or params["model"] or params["only_errors"])
        spare = 0 if is_narrowed else _SPARE_TRACES
        rows = send(self.client, text, {**params, "is_narrowed": int(is_narrowed), "spare": spare})
        # Of a whole window the dearest traces are taken, which nearly all have a request.
        if is_narrowed or _is_page(rows, params):
            return rows
        return send(self.client, text, {**params, "is_narrowed": 1, "spare": 0})

    def _counting(self, window: Filters, condition: Condition, params: Row, *, of_facts: bool) -> Callable[[], Row]:
        """Counts the requests of a part of a window."""
        by_rollups = None if condition.sql else _count_by_rollups(self.client, window, params)
        return by_rollups or partial(_count, self.client, condition, params, of_facts=of_facts)

    def _counted_by(self, text: str, count: Callable[[], Row], params: Row) -> list[Row]:
        """A page that is read while another question counts what is on all pages."""
        page = partial(send, self.client, text.replace(_COUNT, "toUInt64(0)"), params)
        asked: list[Callable[[], list[Row]]] = [page, lambda: [count()]]
        rows, counted = together(asked)
        return [{**row, "matching": counted[0]["requests"]} for row in rows]

    def _together(self, pages: Sequence[list[Row]]) -> list[Row]:
        """The page of the whole window."""
        if len(pages) == 1:
            return pages[0]
        limit, offset, sort = self.params["limit"], self.params["offset"], self.params["sort"]
        matching = sum(rows[0]["matching"] for rows in pages if rows)
        column = {"ttft": "ttft_ms", "total": "total_ms", "cost": "list_value"}.get(sort, "started_ms")
        direction = -1 if self.params["descending"] else 1

        def place(row: Row) -> tuple[bool, float, int, int]:
            value = row[column]
            is_by_trace = sort == "cost" and value is not None
            newest = 0 if is_by_trace else -row["started_ms"]
            # Those of one millisecond stay as they are: they lie in one part, which has them by nanoseconds.
            trace = 0 if sort == "time" else row.get("list_trace", 0)
            return value is None, direction * (value or 0), newest, trace

        found = sorted((row for rows in pages for row in rows if "trace_id" in row), key=place)
        return [{**row, "matching": matching} for row in found[offset : offset + limit]]


def counted_apart(text: str) -> str:
    """A list's text in which requests are counted by a scan of their own.

    Of all requests of a window that is less work than a window function over them, which needs the rows that a page is
    read without; of what a search leaves, its condition would be computed twice.
    """
    return text.replace(_COUNT, sql_text("parts/count_of_requests.sql"))


def in_order(text: str, params: Row) -> str:
    """A list's text that is sorted by a column before all else.

    ClickHouse then leaves out, while it reads, the rows that cannot stand on the page any more. For an expression it
    does not.

    Args:
        text: has a mark where it is sorted.
        params: of the page.
    """
    column = {"ttft": "TtftMs", "total": "DurationMs", "cost": "CostUsd"}.get(params["sort"], "Timestamp")
    return conditions.filled(text, {"order": f"{column} {'DESC' if params['descending'] else 'ASC'},\n"})


class _Gone(Exception):
    """Requests that facts tell of are not there any more."""


def _is_page(rows: list[Row], params: Row) -> bool:
    """Whether rows are as many as their page has."""
    return bool(rows) and len(rows) == min(params["limit"], rows[0]["matching"] - params["offset"])


def _count(client: Asks, condition: Condition, params: Row, *, of_facts: bool) -> Row:
    """How many requests a part of a window has, and how many of them are within the reach of a search."""
    text = sql_text("rollups/questions/searched_facts.sql") if of_facts else sql("searched_requests")
    named = {"only_errors": params["only_errors"], "reach_ms": params.get("reach_ms", 0), **condition.params}
    windowed = {name: params[name] for name in ("from", "to", "tenant", "model", "route")}
    return send(client, condition.put_into(text), {**windowed, **named})[0]


def _count_by_rollups(client: Asks, window: Filters, params: Row) -> Callable[[], Row] | None:
    """Counts the requests of a window, of which nothing is searched; None where rollups do not hold it."""
    found = plan(client, window, (Reads.REQUESTS,))
    if found is None:
        return None
    named = {**window.params(), **found.params(), "only_errors": params["only_errors"]}
    return lambda: send(client, sql_text("rollups/questions/request_count.sql"), named)[0]


def searched_requests(client: Asks, filters: Filters, *, search: str = "", only_errors: bool = False) -> Row:
    """In how many requests words and attributes are looked for: `read` of the `requests` that hold its other terms."""
    terms = [term for term in parse(search) if not conditions.reads_spans(term)]
    params = {
        "only_errors": int(only_errors),
        "reach_ms": int(max(reach(client, filters), filters.start).timestamp() * 1000),
    }
    counts: list[Row] = []
    for part in closed_and_open(client, filters, terms, raw=Raw.LEFT_OUT):

        def of_window(window: Filters, part: Part = part) -> list[Row]:
            return [_count(client, part.condition(terms), {**params, **window.params()}, of_facts=part.of_facts)]

        counts += [row for rows in by_halves(part.window, of_window) for row in rows]
    requests, read = (sum(row[column] for row in counts) for column in ("requests", "read"))
    return {"requests": requests, "read": min(read, conditions.MAX_READ)}


def trace_totals(client: Asks, requests: Sequence[Row]) -> list[Row]:
    """What each trace of `requests` (rows with trace_id and started_ms) spent and how grounded its answer was."""
    if not requests:
        return []
    params = {
        "trace_ids": [row["trace_id"] for row in requests],
        "started_ms": [row["started_ms"] for row in requests],
    }
    asked = [partial(ask, client, name, params) for name in ("spend_of_traces", "scores_of_traces")]
    spent, scored = ({row["trace_id"]: row for row in rows} for rows in together(asked))
    return [
        {"trace_id": each, **_UNSPENT, **_UNJUDGED, **spent.get(each, {}), **scored.get(each, {})}
        for each in dict.fromkeys(params["trace_ids"])
    ]
