"""Shows two traces side by side: numbers, answers, spans and passages."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import streamlit as st

from sightline_dashboards import assets, formats, navigation
from sightline_dashboards.access import current
from sightline_dashboards.comparison import answers, figures, passages, spans
from sightline_dashboards.comparison.figures import NONE, Figure
from sightline_dashboards.comparison.spans import Side, SpanRow
from sightline_dashboards.elements import Column, TableRow, table
from sightline_dashboards.panels import empty_message, note, panel
from sightline_dashboards.plotting.theme import stage_colour
from sightline_dashboards.tables import local_time
from sightline_dashboards.trace_detail.opened import OpenedTrace
from sightline_dashboards.trace_detail.payloads import bounded

_INDENT = "\N{EM SPACE}"
_QUESTION_CHARS = 2000


def show(first: OpenedTrace, second: OpenedTrace) -> None:
    """Show both; differences are those of the second against the first."""
    st.html(f"<style>{assets.text('comparison.css')}</style>")
    _heads(first, second)
    left, right = st.columns([1, 1], gap="small")
    with left, panel("Times, tokens and cost", "the difference is second less first"):
        _figures_table(
            [
                *figures.times(first.trace, second.trace),
                *figures.spending(first.trace_spend, second.trace_spend),
                *figures.scoring(first.trace_scores, second.trace_scores),
            ]
        )
    with right, panel("Answers"):
        if not current.viewer().content:
            note("What was asked and answered is hidden: you may not read prompts, answers and passages.")
        else:
            _answers(first.conversation.answer, second.conversation.answer)
    with right, panel("Passages", "that the answers were written from"):
        _passages(first, second)
    with panel("Spans", "matched by their names from the outermost span down"):
        _spans(first, second)


def _heads(first: OpenedTrace, second: OpenedTrace) -> None:
    columns = st.columns(2, gap="small")
    for column, name, shown, other in zip(columns, ("First", "Second"), (first, second), (second, first), strict=True):
        request = shown.trace.request or shown.trace.nodes[0]
        failed = request.span["status"] == "Error"
        began = local_time(int(request.span["start_ns"]) / 1e6)
        facts = ["✕ failed" if failed else "✓ answered", began, str(request.span["tenant_name"])]
        with column, st.container(border=True):
            with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
                st.html(
                    f'<h2 class="sl-panel">{name}<span>{escape(" · ".join(fact for fact in facts if fact))}</span></h2>'
                )
                with st.container(horizontal=True, width="content", gap="small"):
                    navigation.link("trace", f"Open the {name.lower()} →", trace=shown.trace_id)
                    if name == "First":
                        swapped = {"trace": other.trace_id, "with": shown.trace_id}
                        navigation.link("trace", "Swap", **swapped)
            st.html(f'<p class="sl-what"><code>{escape(shown.trace_id)}</code></p>')
            question, cut = bounded(shown.conversation.question, _QUESTION_CHARS)
            st.html(f'<p class="sl-what">{escape(question) or "The question was not captured."}</p>')
            if cut:
                note(cut)


def _figures_table(found: Sequence[Figure]) -> None:
    columns = (
        Column(""),
        Column("First", number=True),
        Column("Second", number=True),
        Column("Difference", number=True),
    )
    rows = [TableRow((each.label, each.first, each.second, each.difference or NONE)) for each in found]
    table(columns, rows, key="compared_figures", empty="Nothing was measured.")


def _answers(first: str, second: str) -> None:
    if not (first and second):
        missing = (
            "Neither answer" if not (first or second) else "The first answer" if not first else "The second answer"
        )
        empty_message(f"{missing} was{' not' if first or second else ''} captured.")
        if only := first or second:
            st.html(f'<p class="sl-answer">{escape(bounded(only)[0])}</p>')
        return
    (one, cut), (other, other_cut) = bounded(first), bounded(second)
    if one == other:
        note("Both answers are the same, word for word.")
        st.html(f'<p class="sl-answer">{escape(one)}</p>')
    else:
        runs = answers.compared(one, other)
        st.html(answers.as_html(runs))
        share = answers.shared_share(runs)
        st.html(
            '<p class="sl-note sl-compared"><del>Struck out</del> stands in the first answer only, '
            f"<ins>underlined</ins> in the second only; {formats.share(share)} of the text stands in both.</p>"
        )
    if cut or other_cut:
        note(cut or other_cut)


def _spans(first: OpenedTrace, second: OpenedTrace) -> None:
    found = spans.matched(first.trace.nodes, second.trace.nodes)
    shown = spans.greatest(found)
    columns = (
        Column("Span", link=True, colour=True),
        Column("First", number=True, hint="Its duration, or those of all spans of this path together"),
        Column("Second", number=True),
        Column("Difference", number=True),
    )
    table(columns, [_span_row(row, first, second) for row in shown], key="compared_spans", empty="There are no spans.")
    if len(shown) < len(found):
        note(f"{formats.count(len(found))} paths; these {formats.count(len(shown))} have the greatest differences.")


def _span_row(row: SpanRow, first: OpenedTrace, second: OpenedTrace) -> TableRow:
    opened, side = (first, row.first) if row.first else (second, row.second)
    assert side is not None
    failed = "bad" if any(each and each.failed for each in (row.first, row.second)) else ""
    name = f"{_INDENT * row.depth}{row.name}"
    return TableRow(
        (name, _took(row.first), _took(row.second), _change(row)),
        page="trace",
        params={"trace": opened.trace_id, "span": side.span_id},
        tones=(failed, "", "", ""),
        titles=(f"{row.name} · {row.stage or 'no stage'}",),
        colour=stage_colour(row.stage),
    )


def _change(row: SpanRow) -> str:
    if row.first and row.second:
        return figures.duration_difference(row.first.total_ms, row.second.total_ms)
    return "only in the first" if row.first else "only in the second"


def _took(side: Side | None) -> str:
    if side is None:
        return NONE
    text = formats.duration(side.total_ms)
    text += f" in {formats.count(side.spans)} spans" if side.spans > 1 else ""
    return text + (f", {formats.count(side.failed)} failed" if side.failed else "")


def _passages(first: OpenedTrace, second: OpenedTrace) -> None:
    found = passages.matched(first.conversation.passages, second.conversation.passages)
    both = sum(row.first is not None and row.second is not None for row in found)
    rows = [
        TableRow(
            (
                formats.first_line(row.passage.title or row.passage.content or row.passage.identity),
                "both" if row.first and row.second else "only the first" if row.first else "only the second",
                _place(row.first, row.first_score),
                _place(row.second, row.second_score),
            ),
            titles=(formats.shortened(row.passage.content, 600),),
        )
        for row in found
    ]
    columns = (Column("Passage"), Column("Found by"), Column("First", number=True), Column("Second", number=True))
    table(columns, rows, key="compared_passages", empty="No passages were captured in either trace.")
    if rows:
        note(f"Found by both: {formats.share_of(both, len(rows))} passages. Place in its list, and score there.")


def _place(place: int | None, score: float | None) -> str:
    if place is None:
        return NONE
    return f"{place}." + (f" score {formats.significant(score)}" if score is not None else "")
