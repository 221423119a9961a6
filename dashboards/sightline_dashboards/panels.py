"""Parts of every page: the head with the filter bar, panels with a link to details, sentences in place of data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from typing import Any, NoReturn

import streamlit as st
from streamlit.errors import StreamlitAPIException

from sightline_dashboards import assets, axes, filterbar, formats, navigation, source
from sightline_dashboards.filterbar import Selection
from sightline_dashboards.tables import local_time
from sightline_store.questions import queries
from sightline_store.questions.queries import Filters

TRACE_LINES = """import sightline

sightline.configure(service_name="my-app")  # sends to the collector at http://127.0.0.1:4318

@sightline.request                          # and @sightline.retrieval, @sightline.llm, ... on your stages
def answer(question: str) -> str: ..."""


def page(title: str, body: Callable[[Selection], None], *, states: bool = True) -> None:
    """Show a page: its title, the filter bar, the remarks on its numbers, and its body, which refreshes while live."""
    st.html(f"<style>{assets.text('pages.css')}</style>")
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", key="pagehead"):
        st.html(f'<h1 class="sl-title">{escape(title)}</h1>', width="content")
        with st.container(width="content"):
            selection = filterbar.show()

    @st.fragment(run_every=selection.refresh_s)
    def refreshed() -> None:
        with source.show_errors():
            if states:
                _states(selection.filters())
            body(selection)

    refreshed()


@contextmanager
def panel(title: str, note: str = "", *, more: tuple[str, str] | None = None, **params: str) -> Iterator[None]:
    """A bordered panel; `more` is the page with details and the link's text. A question that fails breaks only it."""
    with st.container(border=True, height="stretch"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", gap="small"):
            note_html = f"<span>{escape(note)}</span>" if note else ""
            st.html(f'<h2 class="sl-panel">{escape(title)}{note_html}</h2>', width="content")
            if more:
                navigation.link(more[0], more[1], **params)
        with source.show_errors():
            yield


def charted(filters: Filters) -> Filters:
    """The part of a window that charts show: where its data begins late, a note says so and they begin there too."""
    first = queries.data_since(source.client(), filters)
    fitted = filters.fitted(first)
    if first is not None and fitted is not filters:
        note(f"Data of this window begins at {local_time(first.timestamp() * 1e3, seconds=False)}; so do the charts.")
    return fitted


def note(text: str) -> None:
    """A sentence under a chart that explains it."""
    st.html(f'<p class="sl-note">{escape(text)}</p>')


def empty_message(text: str) -> None:
    """A sentence in place of data."""
    st.html(f'<p class="sl-empty">{escape(text)}</p>')


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


def show_chart(chart: Any, *, key: str) -> None:
    """Show an Altair chart over the panel's width, dressed for the reader's theme."""
    st.altair_chart(axes.themed(chart, dark=st.context.theme.type == "dark"), key=key, width="stretch", theme=None)


def _states(filters: Filters) -> None:
    labels = queries.labels(source.client(), filters)
    badges: list[tuple[str, str]] = [("warn", note_) for note_ in labels["notes"]]
    badges += [("", f"tokens priced as if {name}") for name in labels["priced_as"]]
    if "clickhouse" in labels["systems"]:
        badges.append(("warn", "vector search in ClickHouse (Weaviate not found)"))
    badges += [("", f"{name} embedding") for name in labels["embeddings"]]
    badges += [("", f"judge: {name}") for name in labels["judges"]]
    if badges:
        chips = "".join(
            f'<span class="{kind}">{escape(formats.shortened(text, 60))}</span>' for kind, text in badges[:10]
        )
        st.html(f'<div class="sl-states" data-testid="states">{chips}</div>')
