"""Trace: one request, span by span: its critical path, prompt, answer, passages and scores."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from html import escape
from typing import Any

import streamlit as st

from sightline import semconv
from sightline_dashboards import formats, navigation, source
from sightline_dashboards.access import audit, current
from sightline_dashboards.comparison import choice
from sightline_dashboards.comparison import panel as panel_of_two
from sightline_dashboards.comparison.choice import TRACE_ID
from sightline_dashboards.controls.filterbar import Selection
from sightline_dashboards.elements import Column, TableRow, copying, table, waterfall
from sightline_dashboards.panels import empty_message, note, page, panel, rerun
from sightline_dashboards.plotting.theme import stage_colour
from sightline_dashboards.tables import NONE, local_time
from sightline_dashboards.trace_detail import answer_panel, payloads
from sightline_dashboards.trace_detail.opened import OpenedTrace, begin
from sightline_dashboards.trace_detail.waterfall import Node, Trace
from sightline_store.contents.parts import Message, Part, PartKind
from sightline_store.contents.spans import SpanContent
from sightline_store.questions import flags, queries, search

_NOT_JUDGED = "not judged"
_ON_ITS_WAY = "…"
_MAX_EVENTS = 200
_MAX_ATTRIBUTE_CHARS = 10_000
_ATTRIBUTES_HEIGHT_PX, _MOST_UNBOXED = 420, 10  # more attributes than these get a scroll bar
_SHORT_PROMPT_CHARS = 600

_TOKEN_RULES = {
    "total": "total: the total proves which tokens include which",
    "larger": "larger: a part is larger than what it would be inside of, so it was added",
    "convention": "convention: not proved by the numbers, but the rule of the convention and the provider",
}
"""Values of `llm_calls.TokenRule` in words."""

_STAGE_WORDS = {
    "request": "The request as the user sees it",
    "guard": "A guardrail",
    "cache": "A cache lookup",
    "embed": "The embedding of the question",
    "search": "The search for passages",
    "rerank": "The reranking of the passages",
    "prompt": "The building of the prompt",
    "queue": "Time in a queue",
    "model": "The call of the model",
    "tool": "A tool",
    "agent": "A step of an agent",
    "workflow": "A workflow",
}


def render() -> None:
    """Show the page."""
    page("Trace", _body, states=False)


def _body(selection: Selection, store: Executor) -> Iterator[None]:
    trace_id, other_id = (st.query_params.get(name, "").strip().lower() for name in ("trace", "with"))
    if not trace_id and (stage := st.query_params.get("flagged", "")):
        yield from _newest_flagged(stage, selection, store)
        return
    asked = {each: begin(each, store) for each in (trace_id, other_id) if TRACE_ID.fullmatch(each)}
    yield

    if trace_id not in asked:
        _trace_id_input(trace_id)
        return
    stored = _opened(trace_id, asked)
    if stored is None:
        _trace_id_input("")
        return
    if other_id not in {"", trace_id} and (other := _opened(other_id, asked)) is not None:
        for each in (stored, other):
            each.ask_rest(store)
        panel_of_two.show(stored, other)
        return
    _show(stored, selection, store)


def _newest_flagged(stage: str, selection: Selection, store: Executor) -> Iterator[None]:
    """Open the newest trace of the window in which a guardrail raised an alarm at a stage."""
    asked = store.submit(flags.flagged_traces, source.client(), selection.filters())
    yield

    for row in asked.result():
        if row["stage"] == stage:
            navigation.open_page("trace", trace=row["trace_id"])
    empty_message(f"No request of this window ({selection.label}) has a flagged span of the stage {stage}.")
    flagged = f"{search.equals('stage', stage)} {semconv.GUARDRAIL_FLAGGED}:true"
    navigation.link("traces", "Search for it in another window →", q=flagged)


def _opened(trace_id: str, asked: Mapping[str, Callable[[], OpenedTrace | None]]) -> OpenedTrace | None:
    """A trace of the store; None, and a sentence, where it has none of this id."""
    stored = asked[trace_id]() if trace_id in asked else None
    if stored is None:
        empty_message(
            f"The store holds no trace {formats.shortened(trace_id, 40)}. "
            "It may not have arrived yet, or have been deleted by age."
        )
    else:
        audit.content_read("trace", [trace_id])
    return stored


def _show(stored: OpenedTrace, selection: Selection, store: Executor) -> None:
    """Show one trace: its spans first, and the rest as it arrives."""
    trace_id, trace, may_read = stored.trace_id, stored.trace, current.viewer().content
    span_parameter = st.query_params.get("span", "")
    chosen = next((node for node in trace.nodes if node.span["span_id"] == span_parameter), None)
    node = chosen or trace.request or trace.nodes[0]
    selected = str(node.span["span_id"])
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        heading = st.empty()
        heading.html(head(trace, None, None), width="stretch")
        st.html(payloads.to_copy(trace_id), width="content")
    drawer = st.container()
    left, right = st.columns([2, 1], gap="small")
    with left, panel("Waterfall", _waterfall_note(stored)):
        clicked = waterfall(stored.drawn, selected=selected, key=f"waterfall_{trace_id}")
        if clicked and clicked != selected and any(each.span["span_id"] == clicked for each in trace.nodes):
            st.query_params["span"] = clicked
            rerun()
        path_note = trace.path_note or "An outlined bar is on the critical path: the first token waited for it."
        if trace.first_token_definition not in {"", "delivered"}:
            path_note += " " + formats.first_token_note(trace.first_token_definition, 0)
        note(f"{path_note} A model call is pale after its first chunk. A click opens a span.")
    # Asked behind the waterfall: before, they would take the time of the store and of this process from it. Who may not
    # read content gets no attributes and events from the store.
    stored.ask_rest(store)
    detail = store.submit(queries.span_detail, source.client(), trace_id, selected) if may_read else None
    copying(key="copying")
    spend, scores, conversation = stored.trace_spend, stored.trace_scores, stored.conversation
    heading.html(head(trace, spend, scores), width="stretch")
    with drawer:
        choice.show(trace_id, conversation.question, selection)
    with left:
        answer_panel.show(conversation, scores, is_hidden=not may_read)
    with right, st.container(border=True), source.show_errors():
        content = next((content for content in stored.contents if content.span.span_id == selected), None)
        _span_panel(
            trace, node, spend, detail.result() if detail else None, content=content, answer=conversation.answer
        )
        if not may_read:
            note("Attributes and events are hidden: they hold what people and models wrote.")


def head(trace: Trace, spend: Sequence[Mapping[str, Any]] | None, scores: Sequence[Mapping[str, Any]] | None) -> str:
    """Return the header as HTML; every text in it is escaped. Tenant, user and session lead to their traces.

    Args:
        trace: of the header.
        spend: rows of `queries.trace_spend`; None while they are on their way.
        scores: rows of `queries.trace_scores`; None while they are on their way.
    """
    request = trace.request or trace.nodes[0]
    span = request.span
    errors = [node for node in trace.nodes if node.span["status"] == "Error"]
    status = '<b class="sl-failed">✕ failed</b>' if span["status"] == "Error" else "<b>✓ answered</b>"
    if errors and span["status"] != "Error":
        status = f"<b>✓ answered</b>, {len(errors)} failed inside"
    tokens, cost = _spent(spend)
    priced_as = next((call["priced_as"] for call in spend or () if call["priced_as"]), "")
    cells = [
        ("Status", status),
        ("First token", f"<b>{formats.first_token(trace.ttft_ms, trace.first_token_definition)}</b>"),
        ("Total", f"<b>{formats.duration(request.end_ms - request.start_ms)}</b>"),
        ("Tokens in → out", f"<b>{tokens}</b>"),
        (f"Cost, as if {priced_as}" if priced_as else "Cost", f"<b>{cost}</b>"),
        ("Groundedness", f"<b>{_ON_ITS_WAY if scores is None else _newest(scores, 'groundedness')}</b>"),
        *(
            [("Faithfulness, RAGAS", f"<b>{ragas}</b>")]
            if (ragas := _newest(scores or (), "faithfulness")) != _NOT_JUDGED
            else []
        ),
        ("Tenant", _link(span["tenant_name"], {"tenant": span["tenant_name"]})),
        ("User", _link(span["user_id"], {"q": search.equals("user", span["user_id"])})),
        ("Session", _link(span["session_id"], {"q": search.equals("session", span["session_id"])})),
        ("Began", escape(local_time(int(span["start_ns"]) / 1e6))),
    ]
    cells_html = "".join(f"<div><small>{escape(name)}</small>{value}</div>" for name, value in cells)
    return f'<div class="sl-head">{cells_html}</div>'


def _spent(spend: Sequence[Mapping[str, Any]] | None) -> tuple[str, str]:
    """Tokens and cost of the model calls of a trace, written."""
    if spend is None:
        return _ON_ITS_WAY, _ON_ITS_WAY
    if not spend:
        return "no call", "no call"
    costs = [call["cost_usd"] for call in spend]
    tokens = f"{formats.compact(_sum(spend, 'input_tokens'))} → {formats.compact(_sum(spend, 'output_tokens'))}"
    return tokens, formats.money(None if None in costs else sum(costs))


def _newest(scores: Sequence[Mapping[str, Any]], name: str) -> str:
    """The newest score of a name; `_NOT_JUDGED` where there is none."""
    values = [score["value"] for score in scores if score["name"] == name]
    return formats.score(values[0]) if values else _NOT_JUDGED


def sentence(node: Node, trace: Trace) -> str:
    """Describe a span in a sentence of plain text."""
    span = node.span
    description = _STAGE_WORDS.get(span["stage"], "A span of no stage")
    if span["stage"] == "model" and span["model_name"]:
        description += f" {span['model_name']}"
    duration, start = formats.duration(node.end_ms - node.start_ms), formats.duration(node.start_ms)
    text = f"{description}: {duration}, from {start} on, in {span['service']}."
    if node.critical:
        text += " The first token waited for it."
    elif trace.first_token_ms is not None and node.start_ms >= trace.first_token_ms:
        text += " It began after the first token."
    if node.orphan:
        text += " Its parent is not in the store."
    return text


def _span_panel(
    trace: Trace,
    node: Node,
    spend: Sequence[Mapping[str, Any]],
    detail: Mapping[str, Any] | None,
    *,
    content: SpanContent | None,
    answer: str,
) -> None:
    span = node.span
    attributes: dict[str, str] = detail["attributes"] if detail else {}
    dot = f'<i class="sl-dot" style="background:{stage_colour(span["stage"])}"></i>'
    st.html(
        f'<h2 class="sl-panel">{dot} {escape(span["name"])}</h2>'
        f'<p class="sl-what" data-testid="sentence">{escape(sentence(node, trace))}</p>'
    )
    if span["status"] == "Error":
        st.html(f'<p class="sl-what sl-failed">✕ {escape(_reason(span))}</p>')
    numbers = _numbers(span, attributes, next((call for call in spend if call["span_id"] == span["span_id"]), None))
    if numbers:
        rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in numbers)
        st.html(f'<dl class="sl-kv">{rows}</dl>')
    if content:
        _show_content(content, answer)
    if detail and detail["event_names"]:
        with st.expander(f"Events ({len(detail['event_names'])})", expanded=True):
            st.html(_events(detail, int(span["start_ns"])))
    if detail:
        with st.expander(f"Attributes ({len(attributes) + len(detail['resource'])})", expanded=not numbers):
            _attribute_table(attributes, detail["resource"])


def _show_content(content: SpanContent, answer: str) -> None:
    """Show what went into a span, what came out of it, and its passages."""
    given = sum(len(message.text) for message in content.input)
    query = (Message("", (Part(PartKind.TEXT, content.query),)),) if content.query else ()
    if shown := content.input or query:
        label = "Query" if content.has_passages else "Call" if content.span.stage == "tool" else "Prompt"
        with st.expander(label, expanded=given < _SHORT_PROMPT_CHARS):
            answer_panel.show_messages(shown)
    if content.output:
        with st.expander("Result" if content.span.stage == "tool" else "Answer", expanded=True):
            answer_panel.show_messages(content.output)
            if content.is_cut:
                note("Its end is missing: a limit on the length of a value cut it off.")
    if content.has_passages:
        with st.expander(f"Passages ({len(content.passages)})", expanded=True):
            st.html(payloads.passage_cards(content.passages, answer) or '<p class="sl-note">Nothing was found.</p>')


def _reason(span: Mapping[str, Any]) -> str:
    kind, message = span["error_type"], span["status_message"]
    if kind and message and not message.startswith(kind):
        return f"{kind}: {message}"
    return str(message or kind or "failed without a reason")


def call_numbers(call: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what a model call spent and how it ended, with names, of a row of `queries.trace_spend`."""
    numbers = [("Tokens in → out", f"{formats.count(call['input_tokens'])} → {formats.count(call['output_tokens'])}")]
    for name, column in (("of them cached", "cache_read_tokens"), ("of them reasoning", "reasoning_tokens")):
        numbers += [(name, formats.count(call[column]))] if call[column] else []
    numbers += [("Token rule", _TOKEN_RULES.get(rule, rule))] if (rule := call["token_rule"]) else []
    cost = formats.money(call["cost_usd"]) + (f", as if {call['priced_as']}" if call["priced_as"] else "")
    numbers.append(("Cost", cost))
    stall_ms = call["longest_stall_ms"]
    numbers += [("Longest stall", formats.duration(stall_ms))] if stall_ms is not None else []
    numbers += [("Stream", call["outcome"])] if call["outcome"] else []
    numbers += [("Note", call["note"])] if call["note"] else []
    return numbers


def _numbers(
    span: Mapping[str, Any], attributes: Mapping[str, str], call: Mapping[str, Any] | None
) -> list[tuple[str, str]]:
    numbers: list[tuple[str, str]] = []
    if span["ttft_ms"] is not None:
        numbers.append(("First token delivered", formats.duration(span["ttft_ms"])))
    if span["first_chunk_ms"] is not None:
        numbers.append(("Model's first chunk or token", formats.duration(span["first_chunk_ms"])))
    numbers += call_numbers(call) if call else []
    for name, key in (
        ("Collection", "db.collection.name"),
        ("Search", "db.operation.name"),
        ("Top k", "gen_ai.request.top_k"),
        ("Returned", "db.response.returned_rows"),
        ("Alpha", "sightline.retrieval.alpha"),
        ("Filter", "sightline.retrieval.filter"),
        ("Index", "sightline.index.version"),
        ("Embedding", "sightline.embedding.name"),
        ("Guardrail", "sightline.guardrail.name"),
        ("Reason", "sightline.guardrail.reason"),
        ("HTTP status", "http.response.status_code"),
    ):
        if attributes.get(key):
            numbers.append((name, formats.shortened(attributes[key], 200)))
    return numbers


def _events(detail: Mapping[str, Any], start_ns: int) -> str:
    lines = []
    for at, name, attributes in zip(
        detail["event_times_ns"], detail["event_names"], detail["event_attributes"], strict=True
    ):
        offset = formats.duration((int(at) - start_ns) / 1e6)
        rows = "".join(
            f"<dt>{escape(key)}</dt><dd>{escape(formats.shortened(value, 2000))}</dd>"
            for key, value in sorted(attributes.items())
        )
        lines.append(f'<p class="sl-what"><b>{escape(name)}</b> after {offset}</p><dl class="sl-kv">{rows}</dl>')
    if len(lines) > _MAX_EVENTS:
        more = formats.count(len(lines) - _MAX_EVENTS)
        lines[_MAX_EVENTS:] = [f'<p class="sl-note">{more} more events.</p>']
    return "".join(lines)


def _attribute_table(attributes: Mapping[str, str], resource: Mapping[str, str]) -> None:
    columns = [Column("Attribute", mono=True), Column("Value", wrap=True), Column("Of")]
    rows = [
        TableRow((key, formats.shortened(value, _MAX_ATTRIBUTE_CHARS), of))
        for of, held in (("span", attributes), ("resource", resource))
        for key, value in sorted(held.items())
    ]
    with st.container(height=_ATTRIBUTES_HEIGHT_PX if len(rows) > _MOST_UNBOXED else "content", border=False):
        table(columns, rows, key="attributes", empty="The span has no attributes.", find="Find an attribute")


def _trace_id_input(invalid_id: str) -> None:
    if invalid_id:
        empty_message(f"“{formats.shortened(invalid_id, 40)}” is no trace id: those are up to 32 hexadecimal digits.")
    entered = st.text_input("Trace id", placeholder="32 hexadecimal digits", width=360, key="trace_id_asked")
    if entered.strip():
        navigation.open_page("trace", trace=entered.strip())
    navigation.link("traces", "Or choose one from the list of traces →")


def _waterfall_note(stored: OpenedTrace) -> str:
    text = f"{formats.count(len(stored.trace_spans))} spans"
    text += " (the first of more)" if stored.is_cut else ""
    orphans = sum(node.orphan for node in stored.trace.nodes)
    return text + (f", {formats.count(orphans)} without their parent" if orphans else "")


def _sum(rows: Sequence[Mapping[str, Any]], column: str) -> float | None:
    values = [row[column] for row in rows if row[column] is not None]
    return sum(values) if values else None


def _link(text: str, more: dict[str, str]) -> str:
    if not text:
        return NONE
    address = escape(navigation.href("traces", **more), quote=True)
    return f'<a href="{address}" target="_self">{escape(formats.shortened(text, 24))}</a>'
