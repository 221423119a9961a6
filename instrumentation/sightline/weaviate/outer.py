"""The caller's own retrieval span around calls of a database client: found, and told what the client learned.

One search must be one row in the store. Where ``@sightline.retrieval`` stands around the client's call, that span is
the row; it gets what it lacks (collection, k, documents, sketch, ...) and keeps what its own code wrote.
"""

import os
import threading
import weakref
from collections.abc import Mapping
from typing import Any, Final

from opentelemetry.trace import Span

from sightline import semconv
from sightline.runtime import Frame
from sightline.weaviate.documents import MAX_DOCUMENTS, Row, as_json

_COPIED: Final = (
    semconv.DB_SYSTEM_NAME,
    semconv.DB_COLLECTION_NAME,
    semconv.DB_OPERATION_NAME,
    semconv.DB_NAMESPACE,
    semconv.GEN_AI_REQUEST_TOP_K,
    semconv.RETRIEVAL_QUERY_TEXT,
    semconv.RETRIEVAL_ALPHA,
    semconv.RETRIEVAL_FUSION,
    semconv.RETRIEVAL_FILTER,
    semconv.RETRIEVAL_SCORE_KIND,
    semconv.INDEX_VERSION,
    semconv.EMBEDDING_NAME,
    semconv.EMBEDDING_VERSION,
    semconv.GEN_AI_EMBEDDINGS_DIMENSION_COUNT,
    semconv.QUERY_SKETCH,
    semconv.QUERY_SKETCH_VERSION,
)
"""What the caller's retrieval span learns from the first search below it."""


class _Below:
    """The searches below one retrieval span of the caller."""

    __slots__ = ("rows", "searches", "server_s", "written")

    def __init__(self) -> None:
        self.searches = 0
        self.server_s = 0.0
        self.rows: list[Row] = []
        self.written = ""


_below: Final[weakref.WeakKeyDictionary[Span, _Below]] = weakref.WeakKeyDictionary()
_below_lock = threading.Lock()


def _renew_lock() -> None:
    global _below_lock  # noqa: PLW0603
    _below_lock = threading.Lock()  # a fork may have come while another thread held it


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


def tell(outer: Frame, inner: Span, rows: list[Row]) -> None:
    """Write onto the caller's retrieval span what it lacks; documents of several searches are joined, each id once."""
    span = outer.span
    with _below_lock:  # searches of one question may run in several threads
        below = _below.get(span)
        if below is None:
            below = _below[span] = _Below()
        below.searches += 1
        has: Mapping[str, Any] = getattr(span, "attributes", None) or {}
        knows: Mapping[str, Any] = getattr(inner, "attributes", None) or {}
        found: dict[str, Any] = {semconv.RETRIEVAL_SEARCHES: below.searches}
        for key in _COPIED:
            if key in knows and key not in has:
                found[key] = knows[key]
        if semconv.GEN_AI_DATA_SOURCE_ID not in has and semconv.DB_COLLECTION_NAME in knows:
            found[semconv.GEN_AI_DATA_SOURCE_ID] = knows[semconv.DB_COLLECTION_NAME]
        server_s = knows.get(semconv.RETRIEVAL_SERVER_DURATION)
        if server_s is not None:
            below.server_s += server_s
            found[semconv.RETRIEVAL_SERVER_DURATION] = below.server_s
        if has.get(semconv.RETRIEVAL_DOCUMENTS, "") == below.written:  # nobody else has said what was found
            seen = {name for name, _, _ in below.rows}
            below.rows.extend(row for row in rows if row[0] not in seen)
            del below.rows[MAX_DOCUMENTS:]
            below.written = as_json(below.rows)
            found[semconv.RETRIEVAL_DOCUMENTS] = below.written
            found[semconv.DB_RESPONSE_RETURNED_ROWS] = len(below.rows)
            if not below.rows or semconv.RETRIEVAL_EMPTY in has:  # a later search may have found something
                found[semconv.RETRIEVAL_EMPTY] = not below.rows
    outer.annotate(found)
