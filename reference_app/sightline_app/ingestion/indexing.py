"""From originals to passages in the vector store: parse, chunk, embed, insert, in the trace of each upload."""

from __future__ import annotations

import contextlib
import datetime
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from opentelemetry import context as otel_context
from opentelemetry.trace import get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

import sightline
from sightline import semconv
from sightline_app.corpus import Passage, merge_doubles
from sightline_app.documents import Section, passages_of, sections_of
from sightline_app.embeddings import Embedding
from sightline_app.embeddings.protocol import Matrix
from sightline_app.errors import CorpusError
from sightline_app.ingestion.document import Document, State
from sightline_app.ingestion.folder import UploadFolder
from sightline_app.stages.embed import index_attributes

STAGE = "ingest"
"""Stage of what an upload does: it answers no question, so its trace is no request."""
BATCH_STAGE = "ingest_batch"
"""Stage of what several documents share: its trace is none of theirs, so it is no ingestion of its own."""
DOCUMENT_ID = "sightline_app.document.id"
"""Attribute: id of the uploaded document; on the first span of its trace, and on that of its deletion."""
DOCUMENT_TYPE = "sightline_app.document.content_type"
"""Attribute of the first span: its media type."""
DOCUMENT_BYTES = "sightline_app.document.size"
"""Attribute of the first span: bytes of the original."""
SECTIONS = "sightline_app.document.sections"
"""Attribute of `document.parse`: pieces under a heading."""
PASSAGES = "sightline_app.document.passages"
"""Attribute of `document.chunk`, `document.insert`, `documents.batch` and the embedding's span: passages."""
DOCUMENTS = "sightline_app.documents"
"""Attribute of `documents.batch`: documents whose passages are embedded and inserted together."""
ATTEMPTS = "sightline_app.document.attempts"
"""Attribute of `document.insert`: how often a worker began with the document."""
LAG = "sightline_app.document.lag"
"""Attribute of `document.insert`: seconds from the upload, or from the message's own time, until it is found."""

_BATCH = 64
"""Passages that are embedded between two looks at whether the document is still wanted."""
_MAX_PASSAGES = 20_000
"""Of one document. Others wait behind it, and text of a few bytes under each heading makes some hundred thousand."""
_PROPAGATOR = TraceContextTextMapPropagator()


class PassageWriter(Protocol):
    """The side of a vector store that uploads write to."""

    backend: str

    def reachable(self) -> bool:
        """Tell whether it answers now."""

    def insert(self, collection: str, passages: Sequence[Passage], vectors: Matrix) -> None:
        """Put the passages of documents in the place of those that these have; they are found when this returns.

        Raises:
            RetrievalUnavailable: the store did not answer, or refused passages.
        """

    def delete(self, collection: str, *documents: str) -> None:
        """Remove the passages of documents; none is no error.

        Raises:
            RetrievalUnavailable: the store did not answer.
        """


@dataclass(frozen=True)
class Target:
    """The index that documents go into."""

    backend: str
    """Name of the vector store."""
    collection: str
    embedding: Embedding
    """The one that the collection was built with."""


@dataclass(frozen=True)
class _Cut:
    document: Document
    passages: list[Passage]


class Indexing:
    """Indexes documents. The caller has claimed them, and holds the lock of the index beside others.

    Args:
        folder: originals, records and passages.
        writer: the vector store.
        target: the index that is served.
        check: raises where a document is not wanted any more; called between batches.
    """

    def __init__(
        self, folder: UploadFolder, writer: PassageWriter, target: Target, check: Callable[[Document], None]
    ) -> None:
        self._folder = folder
        self._writer = writer
        self._target = target
        self._check = check

    def index(self, documents: Sequence[Document]) -> dict[str, Exception | None]:
        """Parse, cut, embed and insert documents; the passages of all of them are embedded and inserted together.

        Each document has its own trace, which goes on here. What several documents share is a trace of its own,
        `documents.batch`, with links to theirs.

        Returns:
            by id, why a document was not stored; None where it was.
        """
        failures: dict[str, Exception | None] = {}
        cut: list[_Cut] = []
        for document in documents:
            with _kept(failures, document), trace_of(document):
                cut.append(self._cut(document))
        if not cut:
            return failures
        caller = otel_context.get_current()
        try:
            with trace_of(cut[0].document) if len(cut) == 1 else _batch_of(cut):
                stored = self._insert(cut, self._embed(cut), caller, failures)
            for tenant in sorted({each.document.tenant for each in stored}):
                self._folder.raise_generation(tenant)
        except Exception as exc:
            return failures | {name: exc for name, failure in failures.items() if failure is None}
        for each in stored:
            with _kept(failures, each.document):
                self._folder.update(replace(each.document, state=State.STORED, embedded=len(each.passages)))
        return failures

    def _cut(self, document: Document) -> _Cut:
        document = replace(document, state=State.PARSING, attempts=document.attempts + 1, error="", retry_at=0.0)
        self._say(document)
        passages = _chunk(document, _parse(document, self._folder.original(document)))
        self._folder.keep_passages(document, passages)
        embedding = replace(document, state=State.EMBEDDING, passages=len(passages))
        self._say(embedding)
        return _Cut(embedding, passages)

    def _say(self, document: Document) -> None:
        self._check(document)
        self._folder.tell(document)

    @sightline.embedding(capture="recorded")
    def _embed(self, cut: Sequence[_Cut]) -> Matrix:
        """Return float32[n_passages, dimensions] of all documents, in their order."""
        embedding = self._target.embedding
        passages = [passage for each in cut for passage in each.passages]
        sightline.annotate(
            {
                semconv.GEN_AI_REQUEST_MODEL: embedding.model,
                semconv.GEN_AI_PROVIDER_NAME: embedding.provider,
                semconv.GEN_AI_EMBEDDINGS_DIMENSION_COUNT: embedding.dimensions,
                PASSAGES: len(passages),
                **index_attributes(embedding),
            }
        )

        def go_on(done: int, total: int) -> None:
            del done, total
            if len(cut) == 1:
                self._check(cut[0].document)

        parts = []
        for start in range(0, len(passages), _BATCH):
            if len(cut) == 1 and start:
                self._say(replace(cut[0].document, embedded=start))
            parts.append(embedding.embed_passages(passages[start : start + _BATCH], go_on))
        return np.concatenate(parts)

    def _insert(
        self, cut: Sequence[_Cut], vectors: Matrix, caller: otel_context.Context, failures: dict[str, Exception | None]
    ) -> list[_Cut]:
        """Insert the passages of those documents that are still wanted, and return these."""
        wanted: list[_Cut] = []
        parts: list[Matrix] = []
        start = 0
        for each in cut:
            part = vectors[start : start + len(each.passages)]
            start += len(each.passages)
            with _kept(failures, each.document):
                self._say(replace(each.document, embedded=len(each.passages)))
                wanted.append(each)
                parts.append(part)
        if not wanted:
            return []
        shared = otel_context.get_current() if len(cut) > 1 else None
        with contextlib.ExitStack() as spans:
            for each in wanted:
                spans.enter_context(self._insertion(each, caller, shared))
            if shared is not None:
                spans.enter_context(_in(shared))
            passages = [passage for each in wanted for passage in each.passages]
            self._writer.insert(self._target.collection, passages, np.concatenate(parts))
        return wanted

    @contextlib.contextmanager
    def _insertion(
        self, cut: _Cut, caller: otel_context.Context, shared: otel_context.Context | None
    ) -> Iterator[None]:
        """Be the insertion of a document, in its own trace; with a link to that which it shares with others."""
        document = cut.document
        with (
            _in(caller),
            trace_of(document),
            sightline.trace("document.insert", stage=STAGE, capture="recorded"),
        ):
            if shared is not None:
                sightline.link(get_current_span(shared).get_span_context())
            sightline.annotate(
                {
                    semconv.DB_SYSTEM_NAME: self._target.backend,
                    semconv.DB_COLLECTION_NAME: self._target.collection,
                    PASSAGES: len(cut.passages),
                    ATTEMPTS: document.attempts,
                }
            )
            yield
            sightline.annotate({LAG: round(_age_s(document), 3)})


@contextlib.contextmanager
def _kept(failures: dict[str, Exception | None], document: Document) -> Iterator[None]:
    """Keep why a document was not stored, instead of raising it."""
    try:
        yield
        failures.setdefault(document.id, None)
    except Exception as exc:
        failures[document.id] = exc


@contextlib.contextmanager
def _in(context: otel_context.Context) -> Iterator[None]:
    token = otel_context.attach(context)
    try:
        yield
    finally:
        otel_context.detach(token)


@contextlib.contextmanager
def _batch_of(cut: Sequence[_Cut]) -> Iterator[None]:
    """Be the work that documents share, in a trace of its own that links to theirs."""
    with _in(otel_context.Context()), sightline.trace("documents.batch", stage=BATCH_STAGE, capture="recorded"):
        for each in cut:
            sightline.link({"traceparent": each.document.traceparent})
        sightline.annotate({DOCUMENTS: len(cut), PASSAGES: sum(len(each.passages) for each in cut)})
        yield


@contextlib.contextmanager
def trace_of(document: Document) -> Iterator[None]:
    """Go on with the trace of a document: below the span that is open where it is of that trace, else below the upload.

    A worker's span of the message that brought it (`run/...`) is of that trace.
    """
    context = _PROPAGATOR.extract({"traceparent": document.traceparent}, otel_context.Context())
    if get_current_span(context).get_span_context().trace_id == get_current_span().get_span_context().trace_id:
        context = otel_context.get_current()
    with _in(context):
        sightline.identify(tenant=document.tenant)
        yield


def _age_s(document: Document) -> float:
    return time.time() - datetime.datetime.fromisoformat(document.created).timestamp()


@sightline.trace("document.parse", stage=STAGE, capture="recorded")
def _parse(document: Document, original: bytes) -> list[Section]:
    sections = sections_of(original, document.name, document.kind)
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
