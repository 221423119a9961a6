"""Parts of every page: the head with the filter bar, panels with a link to details, sentences in place of data."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from html import escape
from typing import NoReturn

import streamlit as st
from streamlit.errors import StreamlitAPIException

from sightline_dashboards import assets, formats, navigation, source
from sightline_dashboards.controls import filterbar
from sightline_dashboards.controls.filterbar import Selection
from sightline_dashboards.plotting import plots
from sightline_dashboards.tables import local_time
from sightline_dashboards.views import sidebar
from sightline_store.questions import queries
from sightline_store.questions.asking import Filters

_TOLD_CHANGES = 3
_CODE = re.compile(r"`([^`]+)`")
_DATA_SINCE = "data_since"
TRACE_LINES = """import sightline

sightline.configure(service_name="my-app")  # sends to the collector at http://127.0.0.1:4318

@sightline.request                          # and @sightline.retrieval, @sightline.llm, ... on your stages
def answer(question: str) -> str: ..."""


def page(title: str, body: Callable[[Selection], None], *, states: bool = True) -> None:
    """Show a page: its title, the filter bar, the remarks on its numbers, and its body, which refreshes while live."""
    plots.act(in_fragment=False)
    st.html(f"<style>{assets.text('pages.css')}</style>")
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", key="pagehead"):
        st.html(f'<h1 class="sl-title">{escape(title)}</h1>', width="content")
        with st.container(width="content"):
            selection = filterbar.show()
    sidebar.show(title.lower())

    @st.fragment(run_every=selection.refresh_s)
    def refreshed() -> None:
        plots.act(in_fragment=True)
        st.session_state.pop(_DATA_SINCE, None)
        shown = replace(selection, now=datetime.now(UTC))
        with source.show_errors():
            if states:
                _states(shown.filters())
            body(shown)

    refreshed()


@contextmanager
def panel(title: str, note: str = "", *, more: tuple[str, str] | None = None, **params: str) -> Iterator[None]:
    """A bordered panel; `more` is the page with details and the link's text. A question that fails breaks only it."""
    with st.container(border=True, height="stretch"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", gap="small"):
            note_html = f"<span>{_with_code(note)}</span>" if note else ""
            st.html(f'<h2 class="sl-panel">{escape(title)}{note_html}</h2>', width="content")
            if more:
                navigation.link(more[0], more[1], **params)
        with source.show_errors():
            yield


def charted(filters: Filters) -> Filters:
    """The part of a window that charts show: where its data begins late, a note says so and they begin there too."""
    first = _data_since(filters)
    fitted = filters.fitted(first)
    if first is not None and fitted is not filters:
        note(f"Data of this window begins at {local_time(first.timestamp() * 1e3, seconds=False)}; so do the charts.")
    return fitted


def _data_since(filters: Filters) -> datetime | None:
    """When the data of a window begins, asked once a run of a page."""
    known = st.session_state.get(_DATA_SINCE)
    if not (known and known[0] == filters.start):
        known = st.session_state[_DATA_SINCE] = (filters.start, queries.data_since(source.client(), filters))
    first: datetime | None = known[1]
    return first


def note(text: str) -> None:
    """A sentence under a chart that explains it; a command in it stands between backticks."""
    st.html(f'<p class="sl-note">{_with_code(text)}</p>')


def empty_message(text: str) -> None:
    """A sentence in place of data; a command in it stands between backticks."""
    st.html(f'<p class="sl-empty">{_with_code(text)}</p>')


def empty_store(selection: Selection, what: str = "requests") -> None:
    """Show why there is no data and what to do next: widen the window, or send a first trace."""
    fresh = queries.freshness(source.client())
    if fresh["spans"]:
        age = formats.age((fresh["now_ms"] - fresh["newest_ms"]) / 1e3)
        empty_message(
            f"No {what} in this selection ({selection.label}). The store holds {formats.count(fresh['spans'])} spans; "
            f"the newest is from {age}. Widen the window or clear the filters above."
        )
        return
    empty_message(
        "The store is empty. Trace your application with three lines, or run `make demo` to see a RAG backend here:"
    )
    st.code(TRACE_LINES, language="python")
    note("Any OpenTelemetry SDK works too: set OTEL_EXPORTER_OTLP_ENDPOINT to the collector. A live page fills itself.")


def rerun() -> NoReturn:
    """Run the page's body once more, because a click changed what is above the element."""
    try:
        st.rerun(scope="fragment")
    except StreamlitAPIException:  # in the first run of a page there is no fragment to run again
        st.rerun()


def _with_code(text: str) -> str:
    """Text as HTML: escaped, and as code what stands between backticks."""
    return _CODE.sub(r"<code>\1</code>", escape(text))


def _changes(filters: Filters) -> list[tuple[str, str]]:
    """The newest marks of the charts in words, for those who cannot rest a pointer on them."""
    marks = plots.changed(filters.fitted(_data_since(filters)))
    told = [
        f"{mark.sign} {local_time(mark.at.timestamp() * 1e3, seconds=False)} {formats.shortened(text, 70)}"
        for mark in reversed(marks)
        for text in mark.texts
    ]
    more = f"{formats.count(len(told) - _TOLD_CHANGES)} more changes, marked in the charts"
    return [("", text) for text in [*told[:_TOLD_CHANGES], *([more] if len(told) > _TOLD_CHANGES else [])]]


def _states(filters: Filters) -> None:
    with source.at_once() as store:
        asked = store.submit(queries.labels, source.client(), filters)
        changes = _changes(filters)
        labels = asked.result()
    badges: list[tuple[str, str]] = [("warn", note_) for note_ in labels["notes"]]
    badges += [("", f"tokens priced as if {name}") for name in labels["priced_as"]]
    if "clickhouse" in labels["systems"]:
        badges.append(("warn", "vector search in ClickHouse (Weaviate not found)"))
    badges += [("", f"{name} embedding") for name in labels["embeddings"]]
    badges += [("", f"judge: {name}") for name in labels["judges"]]
    badges = [(kind, formats.shortened(text, 60)) for kind, text in badges[:10]] + changes
    if badges:
        chips = "".join(f'<span class="{kind}">{escape(text)}</span>' for kind, text in badges)
        st.html(f'<div class="sl-states" data-testid="states">{chips}</div>')
