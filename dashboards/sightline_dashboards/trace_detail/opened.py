"""A trace as its page has it: what the store says of it, laid out. It is read at once for all that one click shows."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import streamlit as st

from sightline_dashboards import source
from sightline_dashboards.trace_detail import drawing, waterfall
from sightline_store.contents import traces as traces_content
from sightline_store.contents.spans import SpanContent
from sightline_store.contents.traces import Conversation
from sightline_store.questions import queries
from sightline_store.questions.asking import Asks, Row

MAX_SPANS: Final = 50_000
"""The most spans of a trace that are read, in the order in which they began."""
MAX_CONTENTS: Final = 2000
"""The most spans of which the content is read, in the same order."""
_KEPT_S: Final = 5
_MOST_KEPT: Final = 4


class OpenedTrace:
    """What the store knows of a trace: the rows of the questions of these names, and the content of its spans.

    `is_cut` says that it has more spans than `MAX_SPANS`: those that began last are not here. Spans and path are there
    at once. The rest is on its way from `ask_rest` on and is waited for where it is used first, which raises StoreError
    where the store is away.

    It is shared by the runs of a session, so nobody changes it otherwise.
    """

    def __init__(self, store: Asks, trace_id: str, spans: list[Row], path: list[Row]) -> None:
        self.trace_id = trace_id
        self.trace_spans = spans[:MAX_SPANS]
        self.is_cut = len(spans) > MAX_SPANS
        self.ttft_trace = path
        self._store = store
        self._asked: dict[str, Future[list[Any]]] = {}

    def ask_rest(self, pool: Executor) -> None:
        """Ask for what is shown beside the spans; nothing where that was done before."""
        if not self._asked:
            self._asked = {
                "spend": pool.submit(queries.trace_spend, self._store, self.trace_id),
                "scores": pool.submit(queries.trace_scores, self._store, self.trace_id),
                "contents": pool.submit(_contents, self._store, self.trace_id),
            }

    @property
    def is_readable(self) -> bool:
        """Whether the rest is there, or can still be asked for: a run that was cut off leaves questions unasked."""
        asked = self._asked.values()
        return all(each.done() and not each.cancelled() and each.exception() is None for each in asked)

    @property
    def trace_spend(self) -> list[Row]:
        """What its model calls spent."""
        return self._asked["spend"].result()

    @property
    def trace_scores(self) -> list[Row]:
        """What it was scored, the newest first."""
        return self._asked["scores"].result()

    @property
    def contents(self) -> list[SpanContent]:
        """The content of its spans."""
        return self._asked["contents"].result()

    @cached_property
    def trace(self) -> waterfall.Trace:
        """Its tree and its critical path."""
        return waterfall.layout(self.trace_spans, self.ttft_trace)

    @cached_property
    def drawn(self) -> str:
        """Its waterfall, as JSON."""
        return json.dumps(drawing.drawing(self.trace), separators=(",", ":"))

    @cached_property
    def conversation(self) -> Conversation:
        """What was asked and answered."""
        return traces_content.conversation(self.contents)


@dataclass(frozen=True)
class _Kept:
    """A trace as one viewer has it, and until when."""

    until_s: float
    store: Asks
    trace: OpenedTrace | None


def begin(trace_id: str, pool: Executor) -> Callable[[], OpenedTrace | None]:
    """Ask for a trace; the function that is returned waits for its spans, and is called once, by the page itself.

    What it returns is kept for some seconds, since each click runs the page once more; None is a trace that is unknown.
    What was read as one viewer is shown to no other: neither to another session, nor to this one when it is somebody
    else, or may see less, from now on. The function raises StoreError where the store is away; nothing is kept then.

    Args:
        trace_id: of the trace.
        pool: what `source.at_once` gives.
    """
    store, now_s = source.client(), time.monotonic()
    kept: dict[str, _Kept] = st.session_state.setdefault("opened_traces", {})
    for each in [each for each, held in kept.items() if not _is_good(held, store, now_s)]:
        del kept[each]
    if trace_id in kept:
        held = kept[trace_id]
        return lambda: held.trace
    asked_spans = pool.submit(queries.trace_spans, store, trace_id, limit=MAX_SPANS + 1)
    asked_path = pool.submit(queries.ttft_trace, store, trace_id)

    def opened() -> OpenedTrace | None:
        spans = asked_spans.result()
        trace = OpenedTrace(store, trace_id, spans, asked_path.result()) if spans else None
        kept[trace_id] = _Kept(now_s + _KEPT_S, store, trace)
        while len(kept) > _MOST_KEPT:
            del kept[next(iter(kept))]
        return trace

    return opened


def _contents(store: Asks, trace_id: str) -> list[SpanContent]:
    return traces_content.read(queries.trace_contents(store, trace_id, limit=MAX_CONTENTS))


def _is_good(held: _Kept, store: Asks, now_s: float) -> bool:
    is_theirs = held.until_s >= now_s and held.store is store
    return is_theirs and (held.trace is None or held.trace.is_readable)
