"""Sessions: conversations as they were read, turn by turn."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from html import escape
from typing import Any

import streamlit as st

from sightline_dashboards import assets, formats, navigation, source
from sightline_dashboards.access import audit
from sightline_dashboards.controls import addressed, paging, searchbar
from sightline_dashboards.controls.filterbar import Selection
from sightline_dashboards.downloads import Offer
from sightline_dashboards.elements import Column, TableRow, table
from sightline_dashboards.panels import empty_message, empty_store, note, page, panel
from sightline_dashboards.tables import NONE, cost, grounded, local_time, outcome, tokens
from sightline_store.contents.traces import Conversation
from sightline_store.questions import asking, people, queries, request_lists, written
from sightline_store.questions.search import Kind, Term, text_of

_PAGE_ROWS = 50
_PAGE_TURNS = 30
_QUESTION_CHARS = 70


def render() -> None:
    """Show the page."""
    page("Sessions", _body)


def _body(selection: Selection, store: Executor) -> Iterator[None]:
    session = st.query_params.get("session", "")
    if session:
        yield
        st.html(f"<style>{assets.text('people.css')}</style>")
        _conversation(selection, session, st.query_params.get("of", selection.tenant))
    else:
        yield from _list(selection, store)


def _begun(client: asking.Asks, filters: asking.Filters, **how: Any) -> tuple[list[asking.Row], dict[str, str]]:
    """A page of conversations, and what was asked first in each by the id of its first trace."""
    rows = people.found_sessions(client, filters, **how)
    with ThreadPoolExecutor(1, "questions-of-sessions") as beside:
        begun = beside.submit(written.questions, client, rows)
        return people.with_session_totals(client, filters, rows), begun.result()


def _list(selection: Selection, store: Executor) -> Iterator[None]:
    client, filters = source.client(), selection.filters()
    searched, only_errors = searchbar.searched(), addressed.is_ticked("failed")
    text = searched.text if searched else ""
    shown = paging.page_of("sessions", (selection, text, only_errors), _PAGE_ROWS)
    if searched:
        how = {"search": text, "only_errors": only_errors, "limit": shown.size, "offset": shown.offset}
        asked_rows = store.submit(_begun, client, filters, **how)
        asked_reach = store.submit(searchbar.reach, client, filters, searched, only_errors=only_errors)
    yield

    searchbar.show(key="sessions")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        addressed.checkbox("Failed requests only", name="failed")
        searchbar.show_language()
    if searched is None:
        return
    rows, begun = asked_rows.result()
    if not rows and shown.number > 1:
        shown.turn_to(1)
    if reach := asked_reach.result():
        note(reach)
    if not rows:
        if only_errors or searched.text:
            empty_message("No conversation of this selection matches. Clear the search, or widen the window.")
        elif queries.overview(client, filters).requests:
            empty_message(
                "The requests of this window name no session. `sightline.identify(session=…)` names it; so do "
                "session.id, gen_ai.conversation.id and the session attributes of other libraries."
            )
        else:
            empty_store(selection, "sessions")
        return
    with panel("Conversations", "the newest first"):
        _table(rows, begun)
        shown.foot(rows[0]["matching"], "sessions")


def _table(rows: list[asking.Row], begun: dict[str, str]) -> None:
    columns = [
        Column("Began with", link=True),
        Column("Last active"),
        Column("Lasted", number=True),
        Column("Requests", number=True),
        Column("Failed", number=True),
        Column("TTFT p50", number=True),
        Column("Total p50", number=True),
        Column("Tokens", number=True, hint="of its model calls, in → out"),
        Column("Cost", number=True),
        Column("Tenant"),
        Column("User"),
        Column("Session", mono=True),
    ]
    table_rows = []
    for row in rows:
        question = begun.get(row["trace_id"], "")
        table_rows.append(
            TableRow(
                cells=(
                    formats.first_line(question, _QUESTION_CHARS) or "not captured",
                    local_time(row["last_ms"]),
                    formats.duration(row["last_ms"] - row["first_ms"]),
                    formats.count(row["requests"]),
                    formats.count(row["failed"]) if row["failed"] else "none",
                    formats.duration(row["ttft_p50_ms"]),
                    formats.duration(row["total_p50_ms"]),
                    tokens(row),
                    cost(row),
                    row["tenant_name"] or NONE,
                    ", ".join(row["users"]) or NONE,
                    formats.shortened(row["session_id"], 16),
                ),
                page="sessions",
                params={"session": row["session_id"], "of": row["tenant_name"]},
                tones=["" if question else "unknown", "", "", "", "bad" if row["failed"] else ""],
                titles=[formats.shortened(question, 600)],
            )
        )
    table(
        columns,
        table_rows,
        key="sessions",
        empty="No session on this page.",
        offer=Offer([{**row, "question": begun.get(row["trace_id"])} for row in rows], content=True),
    )


def _conversation(selection: Selection, session: str, tenant: str) -> None:
    client, filters = source.client(), selection.filters()
    navigation.link("sessions", "← All sessions")
    shown = paging.page_of("turns", (selection, session, tenant), _PAGE_TURNS)
    named = (("session", session), ("tenant", tenant))
    search = text_of([Term(Kind.EQUALS, key=key, value=value) for key, value in named if value])
    rows = request_lists.traces(
        client,
        filters,
        search=search,
        descending=False,
        limit=shown.size,
        offset=shown.offset,
    )
    if not rows and shown.number > 1:
        shown.turn_to(1)
    if not rows:
        empty_message(
            f"No request of session “{formats.shortened(session, 60)}” in this selection ({selection.label}). "
            "Widen the window or clear the filters above."
        )
        return
    matching = rows[0]["matching"]
    users = sorted({row["user_id"] for row in rows} - {""})
    failed = sum(bool(row["failed"]) for row in rows)
    with panel(
        f"Session {formats.shortened(session, 40)}",
        ", ".join(
            part
            for part in (
                f"{formats.count(matching)} requests in the window",
                f"{failed} failed{' on this page' if matching > shown.size else ''}" if failed else "",
                f"tenant {tenant}" if tenant else "",
                f"user {', '.join(users)}" if users else "",
            )
            if part
        ),
    ):
        audit.content_read("sessions", [row["trace_id"] for row in rows])
        held = written.conversations(client, rows)
        for row in rows:
            st.html(turn_html(row, held.get(row["trace_id"])))
        if matching > shown.size:
            shown.foot(matching, "requests")
        note("Requests outside of the window are not shown. A turn's time leads to its trace.")


def turn_html(row: dict[str, Any], held: Conversation | None) -> str:
    """Return one turn as HTML: what was asked, what was answered, and the numbers of the request; all text escaped."""
    question = held.question.strip() if held else ""
    answer = held.answer.strip() if held else ""
    asked = escape(question) if question else '<span class="silent">question not captured</span>'
    bad = " bad" if row["failed"] else ""
    if row["failed"] and not answer:
        answered = escape(outcome(row))
    else:
        answered = escape(answer) if answer else '<span class="silent">answer not captured</span>'
    cut = " (cut off)" if held and held.is_answer_cut else ""
    address = escape(navigation.href("trace", trace=row["trace_id"]), quote=True)
    facts = [
        f'<a href="{address}" target="_self">{escape(local_time(row["started_ms"]))}</a>',
        escape(outcome(row)) if row["failed"] else "",
        f"TTFT {escape(formats.first_token(row['ttft_ms'], row['ttft_definition']))}",
        f"total {escape(formats.duration(row['total_ms']))}",
        f"{escape(formats.money(row['cost_usd']))}" if row["llm_calls"] else "",
        f"groundedness {escape(grounded(row))}",
        escape(", ".join(row["models"])),
    ]
    footer = "".join(f"<span>{fact}</span>" for fact in facts if fact)
    return (
        f'<div class="sl-turn" data-testid="turn"><div class="asked">{asked}</div>'
        f'<div class="answered{bad}">{answered}{cut}</div><footer>{footer}</footer></div>'
    )
