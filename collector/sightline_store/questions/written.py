"""What people and models wrote in several requests: the questions of a list, the titles of passages.

Raw spans are read of the rows that are shown, and of no others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Final

from sightline import semconv
from sightline_store.contents import traces as traces_content
from sightline_store.contents.spans import SpanContent
from sightline_store.contents.traces import Conversation
from sightline_store.conventions import contents
from sightline_store.questions.asking import HIDDEN, Asks, Row, ask, sees_content
from sightline_store.questions.conditions import prefix_pattern

MAX_CHARS: Final = 20_000
"""Characters of an attribute in which a question is looked for."""
MAX_PASSAGES_CHARS: Final = 1_000_000
"""Characters of an attribute in which passages are looked for."""


def questions(client: Asks, requests: Sequence[Row]) -> dict[str, str]:
    """Trace id to what was asked, for those requests whose question was captured.

    A request's own span is read; where it says nothing, its searches are, and then the whole trace.

    Args:
        client: the store.
        requests: rows of `request_lists.traces`.
    """
    if not requests:
        return {}
    if not sees_content(client):
        return {row["trace_id"]: HIDDEN for row in requests}
    spans = {
        "services": [row["service"] for row in requests],
        "names": [row["name"] for row in requests],
        "seconds": [int(row["started_ms"]) // 1000 for row in requests],
        "trace_ids": [row["trace_id"] for row in requests],
        "span_ids": [row["span_id"] for row in requests],
    }
    found = _questions_in(ask(client, "asked", {**spans, **_places_of_questions()}))
    if silent := [row for row in requests if row["trace_id"] not in found]:
        searches = {
            "trace_ids": [row["trace_id"] for row in silent],
            "started_ms": [row["started_ms"] for row in silent],
        }
        found |= _questions_in(ask(client, "asked_of_searches", {**searches, **_places_of_questions()}))
        silent = [row for row in silent if row["trace_id"] not in found]
        held = conversations(client, silent)
        found |= {trace_id: each.question for trace_id, each in held.items() if each.question}
    return found


def _questions_in(rows: Iterable[Row]) -> dict[str, str]:
    """Trace id to its question, of rows of `asked` or `asked_of_searches`."""
    told = {trace_id: traces_content.conversation(spans).question for trace_id, spans in _read(rows).items()}
    return {trace_id: text for trace_id, text in told.items() if text}


def _read(rows: Iterable[Row]) -> dict[str, list[SpanContent]]:
    """Trace id to what its spans hold, of rows with the columns of `asked_columns.sql`."""
    by_trace: dict[str, list[Row]] = {}
    for row in rows:
        by_trace.setdefault(row["trace_id"], []).append(row)
    return {trace_id: traces_content.read(traces_content.stored_spans(spans)) for trace_id, spans in by_trace.items()}


def conversations(client: Asks, requests: Sequence[Row]) -> dict[str, Conversation]:
    """Trace id to question, answer and passages, of requests (rows with trace_id and started_ms)."""
    if not sees_content(client):
        return {row["trace_id"]: Conversation(HIDDEN, HIDDEN) for row in requests}
    return {trace_id: traces_content.conversation(held) for trace_id, held in _contents(client, requests).items()}


def _contents(client: Asks, requests: Sequence[Row]) -> dict[str, list[SpanContent]]:
    if not requests:
        return {}
    params = {
        "trace_ids": [row["trace_id"] for row in requests],
        "started_ms": [row["started_ms"] for row in requests],
    }
    return {row["trace_id"]: traces_content.sampled_spans(row) for row in ask(client, "conversations", params)}


def titles(client: Asks, found: Sequence[Row]) -> dict[str, str]:
    """Id of a passage to its title, else to the beginning of its text, as a trace that found it captured it.

    The spans of the searches are read; of passages of which these say nothing, the whole traces.

    Args:
        client: the store.
        found: rows of `queries.retrieval_documents`.
    """
    if not found or not sees_content(client):
        return {}
    searches = {"trace_ids": [row["trace_id"] for row in found], "found_ms": [row["found_ms"] for row in found]}
    spans = ask(client, "found_passages", {**searches, **_places_of_passages()})
    named = _titles_in(_read(spans).values())
    if silent := [row for row in found if row["document_id"] not in named]:
        requests = {row["trace_id"]: {**row, "started_ms": row["found_ms"]} for row in silent}
        named = _titles_in(_contents(client, list(requests.values())).values()) | named
    return {row["document_id"]: named[row["document_id"]] for row in found if row["document_id"] in named}


def _titles_in(traces: Iterable[list[SpanContent]]) -> dict[str, str]:
    """Id to title of the passages of some traces' spans; those without a word are left out."""
    named: dict[str, str] = {}
    for passage in (passage for spans in traces for content in spans for passage in content.passages):
        title = passage.title if passage.title not in {"untitled", passage.identity} else ""
        if text := title or " ".join(passage.content.split())[:120]:
            named.setdefault(passage.identity, text)
    return named


@cache
def _places_of_questions() -> Mapping[str, Any]:
    """Attributes and events in which a question stands."""
    columns = ("Input", "Query", "Conversation")
    keys: Iterable[str] = (key for column in columns for key in contents.CONTENT[column] if ".0." not in key)
    return {
        "max_chars": MAX_CHARS,
        "keys": [*(key for key in keys if key != contents.DATABASE_QUERY), semconv.STAGE],
        "prefixes": prefix_pattern(contents.MESSAGE_PREFIXES["Input"]),
        "events": [*contents.DETAIL_EVENTS, *contents.MESSAGE_EVENTS],
    }


@cache
def _places_of_passages() -> Mapping[str, Any]:
    """Attributes and events in which passages stand."""
    return {
        "max_chars": MAX_PASSAGES_CHARS,
        "keys": list(contents.CONTENT["Documents"]),
        "prefixes": prefix_pattern(contents.DOCUMENT_PREFIXES),
        "events": list(contents.DOCUMENT_EVENTS),
    }
