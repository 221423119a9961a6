"""Rows of the questions as tables of text: traces, models, errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from sightline_dashboards import formats, navigation
from sightline_dashboards.downloads import Offer
from sightline_dashboards.elements import Column, TableRow, table
from sightline_dashboards.spending import EMBEDDINGS
from sightline_dashboards.timeline.zone import reader_zone
from sightline_store.questions import request_lists, written
from sightline_store.questions.asking import Asks, Filters, Row

Rows = Sequence[dict[str, Any]]

_NOT_CAPTURED, _NOT_JUDGED, _NO_CALL = "not captured", "not judged", "no call"
_QUESTION_CHARS, _COMPACT_QUESTION_CHARS, _MAX_TITLE_CHARS = 50, 44, 600

NONE = "-"
"""Text in place of a tenant, user or collection that a span does not name."""


def trace_table(
    rows: Rows,
    *,
    key: str,
    empty: str,
    questions: Mapping[str, str],
    compact: bool = False,
    sort: str = "",
    descending: bool = True,
    comparable: bool = False,
    offer: Offer | None = None,
) -> str | None:
    """Show requests, each a link to its trace; return the name of the column that was clicked to sort by, if any.

    Args:
        rows: of `request_lists.traces`.
        key: of the element.
        empty: shown in place of no rows.
        questions: trace id to what was asked.
        compact: only the columns that tell most.
        sort: name of the column by which the rows are sorted.
        descending: whether the greatest come first.
        comparable: whether a reader can tick two of them, to compare their traces.
        offer: what a reader can take as a file; None: these rows with their questions.
    """
    has_ragas = any(row["faithfulness"] is not None for row in rows)
    columns = [
        Column("Asked", sort="time", link=True),
        Column("Question", hint="What was asked: its first line"),
        Column("Outcome"),
        Column(
            "First token",
            number=True,
            sort="ttft",
            hint="When it left for the user; ≥ where only the model's stream was timed: it came then or later",
        ),
        Column("Total", number=True, sort="total"),
        *(() if compact else (Column("Tokens in → out", number=True),)),
        Column("Cost", number=True, sort="cost"),
        Column(
            "Groundedness",
            number=True,
            sort="groundedness",
            hint="How much of the answer the passages support; unknown where no judge gave a value",
        ),
        *(
            (Column("Faithfulness", number=True, sort="faithfulness", hint="The same by RAGAS"),)
            if has_ragas and not compact
            else ()
        ),
        *(() if compact else (Column("Tenant"), Column("User"), Column("Session", mono=True))),
    ]
    if compact:
        columns = [Column(**{**column.__dict__, "sort": ""}) for column in columns]
    table_rows = [
        TableRow(
            cells=(
                cells := _trace_cells(row, questions.get(row["trace_id"], ""), compact=compact, has_ragas=has_ragas)
            ),
            page="trace",
            params={"trace": row["trace_id"]},
            tones=_tones(row, cells),
            titles=["", formats.shortened(questions.get(row["trace_id"], ""), _MAX_TITLE_CHARS)],
        )
        for row in rows
    ]
    return table(
        columns,
        table_rows,
        key=key,
        empty=empty,
        sort=sort,
        descending=descending,
        pair="Compare the two" if comparable else "",
        on_pair=_compare,
        offer=offer or Offer(with_questions(rows, questions), content=True),
    )


def listed(client: Asks, filters: Filters, **how: Any) -> tuple[list[Row], dict[str, str]]:
    """Ask for a list of requests and for what was asked in each, by trace id.

    Args:
        client: the store.
        filters: the window, and what it is narrowed to.
        how: as in `request_lists.traces`.
    """
    rows = request_lists.found_requests(client, filters, **how)
    with ThreadPoolExecutor(1, "questions-of-a-list") as beside:
        questions = beside.submit(written.questions, client, rows)
        return request_lists.with_totals(client, rows), questions.result()


def with_questions(rows: Rows, questions: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return requests with what was asked, None where nobody captured it."""
    return [{**row, "question": questions.get(row["trace_id"])} for row in rows]


def _compare(first: TableRow, second: TableRow) -> None:
    """Open two traces side by side."""
    navigation.open_page("trace", **first.params, **{"with": second.params["trace"]})


def models_table(rows: Rows, *, key: str) -> None:
    """Show what each model took and cost."""
    columns = [
        Column("Model", hint="The model that answered"),
        Column("Calls", number=True),
        Column("Tokens in", number=True),
        Column("Tokens out", number=True),
        Column("Cost", number=True),
        Column(
            "Unpriced",
            number=True,
            hint="Calls without a known price or token count: their cost is unknown, not 0",
        ),
    ]
    table_rows = [
        TableRow(
            cells=(
                row["name"] or "(not named)",
                formats.count(row["calls"]),
                formats.compact(row["input_tokens"]),
                NONE if row["name"] == EMBEDDINGS else formats.compact(row["output_tokens"]),
                formats.money(row["cost_usd"]),
                unpriced(row),
            ),
            page="cost",
        )
        for row in rows
    ]
    table(columns, table_rows, key=key, empty="No model call in this selection.", offer=Offer(rows))


def local_time(epoch_ms: float, *, seconds: bool = True) -> str:
    """Return a moment in the reader's time zone: 14:03:09 today, 22 Nov 14:03:09 otherwise."""
    zone = reader_zone()
    moment = datetime.fromtimestamp(epoch_ms / 1e3, zone)
    clock = moment.strftime("%H:%M:%S" if seconds else "%H:%M")
    return clock if moment.date() == datetime.now(zone).date() else f"{moment.day} {moment:%b} {clock}"


def outcome(row: dict[str, Any]) -> str:
    """Return how a request ended: answered, or what failed."""
    if not row["failed"]:
        return "answered"
    status = f"HTTP {row['http_status']}" if row["http_status"] else "failed"
    return f"✕ {row['error_type'] or status}"


def grounded(row: dict[str, Any], *, is_faithfulness_beside: bool = False) -> str:
    """Return a request's groundedness; RAGAS's faithfulness, named, where there is only that and no column has it."""
    if row["groundedness"] is None and row["faithfulness"] is not None and not is_faithfulness_beside:
        return f"{formats.score(row['faithfulness'])} by RAGAS"
    return _score(row, "groundedness")


def tokens(row: dict[str, Any]) -> str:
    """Return the tokens of the model calls of a request or a session: in → out."""
    if not row["llm_calls"]:
        return _NO_CALL
    if row["input_tokens"] is None and row["output_tokens"] is None:
        return formats.UNKNOWN
    return f"{formats.compact(row['input_tokens'])} → {formats.compact(row['output_tokens'])}"


def cost(row: dict[str, Any]) -> str:
    """Return the cost of the model calls of a request or a session."""
    return formats.money(row["cost_usd"]) if row["llm_calls"] else _NO_CALL


def unpriced(row: dict[str, Any]) -> str:
    """Return how many calls of a model, tenant or user have no known cost."""
    return formats.share_of(row["unpriced_calls"], row["calls"]) if row["unpriced_calls"] else "none"


def _score(row: dict[str, Any], name: str) -> str:
    return formats.score(row[name]) if row["judged"] else _NOT_JUDGED


def _trace_cells(row: dict[str, Any], question: str, *, compact: bool, has_ragas: bool) -> list[str]:
    return [
        local_time(row["started_ms"]),
        formats.first_line(question, _COMPACT_QUESTION_CHARS if compact else _QUESTION_CHARS) or _NOT_CAPTURED,
        outcome(row),
        formats.first_token(row["ttft_ms"], row["ttft_definition"]),
        formats.duration(row["total_ms"]),
        *(() if compact else (tokens(row),)),
        cost(row),
        grounded(row, is_faithfulness_beside=not compact),
        *((_score(row, "faithfulness"),) if has_ragas and not compact else ()),
        *(
            ()
            if compact
            else (
                row["tenant_name"] or NONE,
                row["user_id"] or NONE,
                formats.shortened(row["session_id"] or NONE, 14),
            )
        ),
    ]


def _tones(row: dict[str, Any], cells: Sequence[str]) -> list[str]:
    tones = ["unknown" if cell in {_NOT_CAPTURED, _NOT_JUDGED, _NO_CALL} else "" for cell in cells]
    if row["failed"]:
        tones[2] = "bad"
    return tones
