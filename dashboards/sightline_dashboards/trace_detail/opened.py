"""A trace as its page has it: what the store says of it, laid out. It is read at once for all that one click shows."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Final

import streamlit as st

from sightline_dashboards import source
from sightline_dashboards.trace_detail import waterfall
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


@dataclass(frozen=True)
class OpenedTrace:
    """What the store knows of a trace: the rows of the questions of these names, and the content of its spans.

    `is_cut` says that it has more spans than `MAX_SPANS`: those that began last are not here.

    It is shared by the runs of a session, so nobody changes it.
    """

    trace_id: str
    trace_spans: list[Row]
    is_cut: bool
    ttft_trace: list[Row]
    trace_spend: list[Row]
    trace_scores: list[Row]
    contents: list[SpanContent]

    @cached_property
    def trace(self) -> waterfall.Trace:
        """Its tree and its critical path."""
        return waterfall.layout(self.trace_spans, self.ttft_trace)

    @cached_property
    def drawing(self) -> dict[str, Any]:
        """Its waterfall."""
        return waterfall.drawing(self.trace)

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


def opened(trace_id: str) -> OpenedTrace | None:
    """Read a trace; None where it is unknown. It is kept for some seconds, since each click runs the page once more.

    What was read as one viewer is shown to no other: neither to another session, nor to this one when it is somebody
    else, or may see less, from now on.

    Raises:
        StoreError: the store is away or refuses; nothing is kept then.
    """
    store, now_s = source.client(), time.monotonic()
    kept: dict[str, _Kept] = st.session_state.setdefault("opened_traces", {})
    for each in [each for each, held in kept.items() if held.until_s < now_s or held.store is not store]:
        del kept[each]
    if trace_id not in kept:
        kept[trace_id] = _Kept(now_s + _KEPT_S, store, read(store, trace_id))
        while len(kept) > _MOST_KEPT:
            del kept[next(iter(kept))]
    return kept[trace_id].trace


def read(store: Asks, trace_id: str) -> OpenedTrace | None:
    """Ask all questions about a trace, at once; None where it is unknown.

    Raises:
        StoreError: the store is away or refuses.
    """
    asked: tuple[Callable[[], Any], ...] = (
        partial(queries.trace_spans, store, trace_id, limit=MAX_SPANS + 1),
        partial(queries.ttft_trace, store, trace_id),
        partial(queries.trace_spend, store, trace_id),
        partial(queries.trace_scores, store, trace_id),
        lambda: traces_content.read(queries.trace_contents(store, trace_id, limit=MAX_CONTENTS)),
    )
    with source.at_once() as pool:
        spans, *answers = [each.result() for each in [pool.submit(ask) for ask in asked]]
    return OpenedTrace(trace_id, spans[:MAX_SPANS], len(spans) > MAX_SPANS, *answers) if spans else None
