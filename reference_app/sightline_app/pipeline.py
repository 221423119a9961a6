"""From a question to a streamed answer: guard, embed, search, rerank, prompt, model. Each stage is a span."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import sightline
from sightline import semconv
from sightline_app import guard, prompt
from sightline_app.embedding import Embedded, Embedding
from sightline_app.errors import ModelUnavailable
from sightline_app.generator import Generator
from sightline_app.index import Manifest
from sightline_app.lexicon import Lexicon
from sightline_app.rerank import rerank
from sightline_app.retriever import Hit, Retriever, visible_to
from sightline_app.settings import AppSettings


@dataclass(frozen=True)
class Question:
    """What is asked, by whom."""

    text: str
    history: Sequence[prompt.Message] = ()
    tenant: str = "public"
    since: datetime.date | None = None


@dataclass(frozen=True)
class Sources:
    """The passages that the answer is made from, best first."""

    hits: list[Hit]


@dataclass(frozen=True)
class Token:
    """A piece of the answer."""

    text: str


@dataclass(frozen=True)
class Done:
    """The end of an answer."""

    finish_reason: str
    usage: dict[str, int] = field(default_factory=dict)
    note: str | None = None


Event = Sources | Token | Done


class Pipeline:
    """Everything that one answer needs; one instance serves all requests.

    Args:
        settings: limits and weights.
        manifest: the index that is served.
        embedding: the one that the index was built with.
        lexicon: rarity of terms, for the rerank stage.
        retriever: the vector store.
        generator: the model.
    """

    def __init__(
        self,
        settings: AppSettings,
        manifest: Manifest,
        *,
        embedding: Embedding,
        lexicon: Lexicon,
        retriever: Retriever,
        generator: Generator,
    ) -> None:
        self.settings = settings
        self.manifest = manifest
        self.embedding = embedding
        self.retriever = retriever
        self.generator = generator
        self._lexicon = lexicon

    @sightline.workflow("answer")
    async def answer(self, question: Question) -> AsyncIterator[Event]:
        """Yield the sources, then the answer's pieces, then the end.

        Raises:
            Unavailable: the embeddings endpoint, the vector store or the model failed; some tokens may have been
                yielded before.
        """
        deadline = time.monotonic() + self.settings.request_timeout_s
        verdict = self.check(question.text)
        if verdict.flagged:
            yield Sources([])
            yield Token(guard.REFUSAL[verdict.reason])
            yield Done("content_filter")
            return
        hits = await self.find(question)
        messages = self.compose(question, hits)
        yield Sources(hits)
        reason, usage = "", {}
        chunks = self.generator.stream(messages)
        try:
            async for chunk in chunks:
                if chunk.usage is not None:
                    usage = {"input_tokens": chunk.usage.prompt_tokens, "output_tokens": chunk.usage.completion_tokens}
                for choice in chunk.choices:
                    reason = choice.finish_reason or reason
                    if choice.delta.content:
                        yield Token(choice.delta.content)
                if time.monotonic() > deadline:
                    limit_s = self.settings.request_timeout_s
                    raise ModelUnavailable(f"the answer took longer than SIGHTLINE_APP_REQUEST_TIMEOUT_S={limit_s:g}")
        except (asyncio.CancelledError, GeneratorExit) as gone:
            # The model's span must end as this one does, so it has to hear of it.
            with contextlib.suppress(BaseException):
                await chunks.athrow(gone)  # type: ignore[attr-defined]  # it is an async generator
            raise
        finally:
            await chunks.aclose()  # type: ignore[attr-defined]
        yield Done(reason or "stop", usage, self.generator.note)

    async def find(self, question: Question) -> list[Hit]:
        """Return the passages for the prompt, best first: embed, search, rerank."""
        query = prompt.stand_alone(question.text, question.history)
        embedded = await self.embed(query)
        found = await self.search(query, embedded, question.tenant, question.since)
        return self.rerank(query, found)

    @sightline.guardrail(guard.NAME)
    def check(self, text: str) -> guard.Verdict:
        """Judge the question."""
        verdict = guard.check(text)
        sightline.annotate(
            {semconv.GUARDRAIL_FLAGGED: verdict.flagged, semconv.GUARDRAIL_REASON: verdict.reason or None}
        )
        return verdict

    def _index_attributes(self) -> dict[str, Any]:
        return {semconv.EMBEDDING_NAME: self.embedding.name, semconv.EMBEDDING_VERSION: self.embedding.version}

    @sightline.embedding(capture="recorded")
    async def embed(self, query: str) -> Embedded:
        """Turn the question into a vector."""
        sightline.annotate({semconv.GEN_AI_REQUEST_MODEL: self.embedding.name, **self._index_attributes()})
        embedded = await self.embedding.embed_question(query)
        sightline.annotate({semconv.GEN_AI_EMBEDDINGS_DIMENSION_COUNT: len(embedded.vector)})
        sightline.record_usage(input_tokens=embedded.input_tokens)
        return embedded

    @sightline.retrieval(capture="recorded")
    async def search(
        self, query: str, embedded: Embedded, tenant: str = "public", since: datetime.date | None = None
    ) -> list[Hit]:
        """Ask the vector store."""
        wanted = f"tenant in ({', '.join(visible_to(tenant))})" + (f" and date >= {since}" if since else "")
        weaviate = self.retriever.backend == "weaviate"
        sightline.annotate(
            {
                semconv.GEN_AI_DATA_SOURCE_ID: self.settings.collection,
                semconv.GEN_AI_REQUEST_TOP_K: self.settings.candidates,
                semconv.RETRIEVAL_QUERY_TEXT: query,
                semconv.RETRIEVAL_ALPHA: self.settings.alpha,
                semconv.RETRIEVAL_FILTER: wanted,
                semconv.DB_SYSTEM_NAME: self.retriever.backend,
                semconv.DB_COLLECTION_NAME: self.retriever.collection,
                semconv.DB_OPERATION_NAME: self.retriever.operation,
                semconv.DB_NAMESPACE: tenant if weaviate else "sightline_app",
                semconv.INDEX_VERSION: self.manifest.version,
                **self._index_attributes(),
            }
        )
        hits = await self.retriever.search(
            query, embedded.vector, tenant=tenant, since=since, limit=self.settings.candidates
        )
        sightline.annotate({semconv.DB_RESPONSE_RETURNED_ROWS: len(hits)})
        # The first ones tell enough; all candidates with their texts would make a span of 50 kB.
        sightline.record_documents([hit.as_document(400) for hit in hits[: 4 * self.settings.top_k]])
        return hits

    @sightline.rerank("lexical-coverage", capture="recorded")
    def rerank(self, query: str, hits: list[Hit]) -> list[Hit]:
        """Keep the best few."""
        kept = rerank(query, hits, self._lexicon, self.settings.top_k)
        sightline.annotate({semconv.GEN_AI_REQUEST_TOP_K: self.settings.top_k})
        sightline.record_documents(
            [hit.as_document(prompt.MAX_PASSAGE_CHARS) for hit in kept], key=semconv.RERANK_DOCUMENTS
        )
        return kept

    @sightline.trace("prompt", stage=semconv.STAGE_PROMPT, capture="recorded")
    def compose(self, question: Question, hits: list[Hit]) -> list[dict[str, str]]:
        """Build the messages for the model."""
        return prompt.build(question.text, hits, question.history)

    async def close(self) -> None:
        """Let go of connections."""
        await self.retriever.close()
        await self.generator.close()
