"""Parts of every page: the head with the filter bar, panels with a link to details, sentences in place of data."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
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
from sightline_store.errors import StoreError
from sightline_store.questions import queries
from sightline_store.questions.asking import Filters

_TOLD_CHANGES = 3
_CODE = re.compile(r"`([^`]+)`")
_DATA_SINCE = "data_since"
TRACE_LINES = """import sightline

sightline.configure(service_name="my-app")  # sends to the collector at http://127.0.0.1:4318

@sightline.request                          # and @sightline.retrieval, @sightline.llm, ... on your stages
def answer(question: str) -> str: ..."""


Body = Callable[[Selection, Executor], Iterator[None]]
"""The body of a page, in two parts. Up to its `yield` it submits to the store what it shows first, and shows nothing:
meanwhile the page asks for itself. Behind it the body takes the answers and shows them."""


def page(title: str, body: Body, *, states: bool = True) -> None:
    """Show a page: its title, the filter bar, the remarks on its numbers, and its body, which refreshes while live.

    Args:
        title: of the page; in small letters it is its name in the URL.
        body: of the page.
        states: whether the remarks are shown.
    """
    plots.act(in_fragment=False)
    st.html(f"<style>{assets.text('pages.css')}</style>")
    selection = filterbar.chosen()
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", key="pagehead"):
        st.html(f'<h1 class="sl-title">{escape(title)}</h1>', width="content")
        bar = st.container(width="content")
    with source.at_once() as store:
        values = _filter_values(selection, store)
        begun = [_Run(selection, body, store, states=states)]
        with bar:
            filterbar.show(selection, values())
        sidebar.show(title.lower())

        @st.fragment(run_every=selection.refresh_s)
        def refreshed() -> None:
            plots.act(in_fragment=True)
            with source.show_errors():
                if begun:
                    begun.pop().show()
                    return
                with source.at_once() as again:
                    _Run(replace(selection, now=datetime.now(UTC)), body, again, states=states).show()

        refreshed()


class _Run:
    """One run of a body: its first questions are on their way when it is made, and `show` shows it."""

    def __init__(self, selection: Selection, body: Body, store: Executor, *, states: bool) -> None:
        self._filters = selection.filters()
        self._labels: Future[dict[str, list[str]]] | None = None
        self._failed: Exception | None = None
        self._showing = body(selection, store)
        try:
            if states:
                client, window = source.client(), self._filters
                st.session_state[_DATA_SINCE] = store.submit(queries.data_since, client, window)
                self._labels = store.submit(queries.labels, client, window)
            next(self._showing, None)
        except Exception as exc:  # it is told where the body would be
            self._failed = exc

    def show(self) -> None:
        """Show the remarks and the body.

        Raises:
            StoreError: the store is away or refuses.
        """
        if self._failed:
            raise self._failed
        if self._labels:
            _states(self._labels, self._filters)
        for _ in self._showing:
            pass


def _filter_values(selection: Selection, store: Executor) -> Callable[[], dict[str, list[str]]]:
    """Ask what the filter bar can be set to; the function that is returned waits for it. {} where nobody can say."""
    try:
        asked = store.submit(queries.filter_values, source.client(), selection.filters())
    except StoreError:
        return dict

    def values() -> dict[str, list[str]]:
        try:
            return asked.result()
        except StoreError:
            return {}

    return values


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
    """The part of the page's window that charts show: where its data begins late, they begin there too."""
    return filters.fitted(_data_since())


def note_beginning(filters: Filters) -> None:
    """Say where the charts of the page's window begin later than it does."""
    first = _data_since()
    if first is not None and filters.fitted(first) is not filters:
        note(f"Data of this window begins at {local_time(first.timestamp() * 1e3, seconds=False)}; so do the charts.")


def _data_since() -> datetime | None:
    """When the data of the page's window begins; each run of a page asks it once, before anything else."""
    asked: Future[datetime | None] = st.session_state[_DATA_SINCE]
    return asked.result()


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
    marks = plots.changed(charted(filters))
    told = [
        f"{mark.sign} {local_time(mark.at.timestamp() * 1e3, seconds=False)} {formats.shortened(text, 70)}"
        for mark in reversed(marks)
        for text in mark.texts
    ]
    more = f"{formats.count(len(told) - _TOLD_CHANGES)} more changes, marked in the charts"
    return [("", text) for text in [*told[:_TOLD_CHANGES], *([more] if len(told) > _TOLD_CHANGES else [])]]


def _states(asked: Future[dict[str, list[str]]], filters: Filters) -> None:
    changes, labels = _changes(filters), asked.result()
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
