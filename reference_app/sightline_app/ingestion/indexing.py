"""From an original to passages in the vector store: parse, chunk, embed, insert, in the trace of its upload."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
from opentelemetry import context as otel_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

import sightline
from sightline import semconv
from sightline_app.corpus import Passage, merge_doubles
from sightline_app.documents import Section, cut, decode, passages_of
from sightline_app.embeddings import Embedding
from sightline_app.embeddings.protocol import Matrix
from sightline_app.errors import CorpusError
from sightline_app.stages.embed import index_attributes
from sightline_app.uploads.document import Document, State
from sightline_app.uploads.folder import UploadFolder

STAGE = "ingest"
"""Stage of what an upload does: it answers no question, so its trace is no request."""
DOCUMENT_ID = "sightline_app.document.id"
"""Attribute: id of the uploaded document; on the first span of its trace, and on that of its deletion."""
DOCUMENT_TYPE = "sightline_app.document.content_type"
"""Attribute of the first span: its media type."""
DOCUMENT_BYTES = "sightline_app.document.size"
"""Attribute of the first span: bytes of the original."""
SECTIONS = "sightline_app.document.sections"
"""Attribute of `document.parse`: pieces under a heading."""
PASSAGES = "sightline_app.document.passages"
"""Attribute of `document.chunk`, `document.insert` and the embedding's span: passages."""

_BATCH = 64
"""Passages that are embedded between two looks at whether the document is still wanted."""
_MAX_PASSAGES = 20_000
"""Of one document. Others wait behind it, and text of a few bytes under each heading makes some hundred thousand."""


class PassageWriter(Protocol):
    """The side of a vector store that uploads write to."""

    backend: str

    def reachable(self) -> bool:
        """Tell whether it answers now."""

    def insert(self, collection: str, document: str, passages: Sequence[Passage], vectors: Matrix) -> None:
        """Put the passages of a document in the place of those that it has; they are found when this returns.

        Raises:
            RetrievalUnavailable: the store did not answer, or refused passages.
        """

    def delete(self, collection: str, document: str) -> None:
        """Remove the passages of a document; none is no error.

        Raises:
            RetrievalUnavailable: the store did not answer.
        """


class Indexing:
    """Indexes one document. The caller has the lock of the index.

    Args:
        folder: originals, records and passages.
        writer: the vector store.
        collection: the one that is served.
        embedding: the one that the collection was built with.
        check: raises where the work is not wanted any more; called between batches.
    """

    def __init__(
        self,
        folder: UploadFolder,
        writer: PassageWriter,
        collection: str,
        embedding: Embedding,
        check: Callable[[], None],
    ) -> None:
        self._folder = folder
        self._writer = writer
        self._collection = collection
        self._embedding = embedding
        self._check = check

    def index(self, document: Document) -> Document:
        """Parse, cut, embed and insert a document.

        Returns:
            its record, `stored`.

        Raises:
            CorpusError: it holds no text.
            Unavailable: the embeddings endpoint or the vector store did not answer; it can be tried again.
        """
        token = otel_context.attach(TraceContextTextMapPropagator().extract({"traceparent": document.traceparent}))
        try:
            sightline.identify(tenant=document.tenant)
            return self._index(document)
        finally:
            otel_context.detach(token)

    def _index(self, document: Document) -> Document:
        self._say(replace(document, state=State.PARSING, error=""))
        passages = _chunk(document, _parse(document, self._folder.original(document)))
        self._folder.keep_passages(document, passages)
        embedding = replace(document, state=State.EMBEDDING, passages=len(passages), error="")
        self._say(embedding)
        vectors = self._embed(embedding, passages)
        self._insert(embedding, passages, vectors)
        stored = replace(embedding, state=State.STORED, embedded=len(passages))
        self._folder.raise_generation(document.tenant)
        self._folder.update(stored)
        return stored

    def _say(self, document: Document) -> None:
        self._check()
        self._folder.update(document)

    @sightline.embedding(capture="recorded")
    def _embed(self, document: Document, passages: Sequence[Passage]) -> Matrix:
        embedding = self._embedding
        sightline.annotate(
            {
                semconv.GEN_AI_REQUEST_MODEL: embedding.model,
                semconv.GEN_AI_PROVIDER_NAME: embedding.provider,
                semconv.GEN_AI_EMBEDDINGS_DIMENSION_COUNT: embedding.dimensions,
                PASSAGES: len(passages),
                **index_attributes(embedding),
            }
        )
        parts = []
        for start in range(0, len(passages), _BATCH):
            self._say(replace(document, embedded=start))
            parts.append(embedding.embed_passages(passages[start : start + _BATCH], self._checked))
        return np.concatenate(parts)

    @sightline.trace("document.insert", stage=STAGE, capture="recorded")
    def _insert(self, document: Document, passages: Sequence[Passage], vectors: Matrix) -> None:
        self._say(replace(document, embedded=len(passages)))
        sightline.annotate(
            {
                semconv.DB_SYSTEM_NAME: self._writer.backend,
                semconv.DB_COLLECTION_NAME: self._collection,
                PASSAGES: len(passages),
            }
        )
        self._writer.insert(self._collection, document.id, passages, vectors)

    def _checked(self, done: int, total: int) -> None:
        """Progress of an embedding, which knows its batch only."""
        del done, total
        self._check()


@sightline.trace("document.parse", stage=STAGE, capture="recorded")
def _parse(document: Document, original: bytes) -> list[Section]:
    sections = cut(decode(original, document.name), document.kind)
    sightline.annotate({SECTIONS: len(sections)})
    return sections


@sightline.trace("document.chunk", stage=STAGE, capture="recorded")
def _chunk(document: Document, sections: Sequence[Section]) -> list[Passage]:
    """Return the passages of a document; their ids are the document's own, so that no two documents share one."""
    found = merge_doubles(passages_of(sections, document.name, document.created[:10], document.tenant))
    if not found:
        raise CorpusError(f"{document.name} holds no text below its headings")
    if len(found) > _MAX_PASSAGES:
        raise CorpusError(f"{document.name} makes {len(found)} passages; at most {_MAX_PASSAGES} are taken: split it")
    sightline.annotate({PASSAGES: len(found)})
    namespace = uuid.UUID(document.id)
    return [
        replace(passage, id=str(uuid.uuid5(namespace, str(place))), document=document.id)
        for place, passage in enumerate(found)
    ]
