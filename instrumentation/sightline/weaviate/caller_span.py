"""Completes the caller's own retrieval span with what the client's searches below it show.

One search must be one row in the store. Where ``@sightline.retrieval`` is around the client's call, that span is
the row: attributes that it lacks (collection, k, documents, sketch, ...) are added, its own ones stay.
"""

import os
import threading
import weakref
from collections.abc import Mapping
from typing import Any, Final

from opentelemetry.trace import Span

from sightline import semconv
from sightline.runtime import StageSpan
from sightline.weaviate.documents import MAX_DOCUMENTS, Row, as_json

_COPIED_ATTRIBUTES: Final = (
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
"""Attributes that the caller's retrieval span takes over from the first search below it."""


class _SearchesOfSpan:
    """The searches below one retrieval span of the caller."""

    __slots__ = ("count", "documents_text", "rows", "server_s")

    def __init__(self) -> None:
        self.count = 0
        self.server_s = 0.0
        self.rows: list[Row] = []
        self.documents_text = ""


_searches_by_span: Final[weakref.WeakKeyDictionary[Span, _SearchesOfSpan]] = weakref.WeakKeyDictionary()
_lock = threading.Lock()


def _renew_lock() -> None:
    global _lock  # noqa: PLW0603
    _lock = threading.Lock()  # another thread may have held it at the fork


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


def write_to_caller_span(caller_span: StageSpan, client_span: Span, rows: list[Row]) -> None:
    """Add the attributes that the caller's retrieval span lacks; the documents of all its searches are merged by id."""
    span = caller_span.span
    with _lock:  # searches of one question may run in several threads
        searches = _searches_by_span.get(span)
        if searches is None:
            searches = _searches_by_span[span] = _SearchesOfSpan()
        searches.count += 1
        caller_attributes: Mapping[str, Any] = getattr(span, "attributes", None) or {}
        client_attributes: Mapping[str, Any] = getattr(client_span, "attributes", None) or {}
        attributes: dict[str, Any] = {semconv.RETRIEVAL_SEARCHES: searches.count}
        for key in _COPIED_ATTRIBUTES:
            if key in client_attributes and key not in caller_attributes:
                attributes[key] = client_attributes[key]
        if semconv.GEN_AI_DATA_SOURCE_ID not in caller_attributes and semconv.DB_COLLECTION_NAME in client_attributes:
            attributes[semconv.GEN_AI_DATA_SOURCE_ID] = client_attributes[semconv.DB_COLLECTION_NAME]
        server_s = client_attributes.get(semconv.RETRIEVAL_SERVER_DURATION)
        if server_s is not None:
            searches.server_s += server_s
            attributes[semconv.RETRIEVAL_SERVER_DURATION] = searches.server_s
        # Documents that the caller wrote itself stay.
        if caller_attributes.get(semconv.RETRIEVAL_DOCUMENTS, "") == searches.documents_text:
            known_ids = {name for name, _, _ in searches.rows}
            searches.rows.extend(row for row in rows if row[0] not in known_ids)
            del searches.rows[MAX_DOCUMENTS:]
            searches.documents_text = as_json(searches.rows)
            attributes[semconv.RETRIEVAL_DOCUMENTS] = searches.documents_text
            attributes[semconv.DB_RESPONSE_RETURNED_ROWS] = len(searches.rows)
            # A later search may have returned documents.
            if not searches.rows or semconv.RETRIEVAL_EMPTY in caller_attributes:
                attributes[semconv.RETRIEVAL_EMPTY] = not searches.rows
    caller_span.annotate(attributes)
