"""From a question to a streamed answer: the order of the stages. Each stage is a span, and a file of `stages`."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import sightline
from sightline import semconv
from sightline_app import prompt
from sightline_app.embeddings import Embedded, Embedding
from sightline_app.generator import Generator
from sightline_app.guardrails import REFUSALS
from sightline_app.index import Manifest
from sightline_app.ingestion.folder import UploadFolder
from sightline_app.lexicon import Lexicon
from sightline_app.retriever import Hit, Retriever, visible_to
from sightline_app.settings import AppSettings
from sightline_app.stages import mask
from sightline_app.stages.cache import CacheStage, pieces
from sightline_app.stages.compose import compose
from sightline_app.stages.embed import embed, index_attributes
from sightline_app.stages.events import Done, Event, Question, Sources, Token
from sightline_app.stages.generate import Generation
from sightline_app.stages.guard_input import InputGuard
from sightline_app.stages.guard_output import OutputGuard
from sightline_app.stages.guard_passages import PassageGuard
from sightline_app.stages.pack import pack
from sightline_app.stages.rerank import rerank
from sightline_app.stages.rewrite import rewrite
from sightline_app.stages.route import RouteStage
from sightline_app.stages.search import SearchStage
from sightline_app.state.answer_store import open_answers
from sightline_app.vector_stores.opening import store_address

__all__ = ["Done", "Event", "Pipeline", "Question", "Sources", "Token"]


class Pipeline:
    """Everything that one answer needs; one instance serves all requests.

    Args:
        settings: limits and weights.
        manifest: the index that is served.
        embedding: the one that the index was built with.
        lexicon: rarity of terms, for the rerank stage.
        retriever: the vector store.
        generator: the model.

    Raises:
        MissingExtra: a setting asks for an engine that is not installed.
        ResidencyFileInvalid: the residency rules cannot be used.
        InvalidSetting: the cache is to use a Redis that no setting names correctly.
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
        self._large = _large_generator(settings)
        self._guard_input = InputGuard(settings.guardrails)
        self._mask = mask.MaskStage(settings.privacy, _addresses(settings, embedding, retriever, generator))
        answers = open_answers(settings) if settings.cache.on else None
        basis = _basis(settings, manifest, embedding, generator)
        self._cache = CacheStage(settings.cache, answers, basis, _generations(UploadFolder(settings.data_dir)))
        self._guard_passages = PassageGuard(settings.guardrails)
        self._route = RouteStage(settings.route, generator, self._large)
        self._guard_output = OutputGuard(settings.guardrails, self._guard_input.nemo)

    @sightline.workflow("answer")
    async def answer(self, question: Question) -> AsyncIterator[Event]:
        """Yield the sources, then the answer's pieces, then the end.

        Raises:
            RequestRefused: a provider may see nothing of this tenant's texts.
            Unavailable: the embeddings endpoint, the vector store or the model failed; some tokens may have been
                yielded before.
        """
        deadline = time.monotonic() + self.settings.request_timeout_s
        decision = await self._guard_input.judge(question.text)
        if decision.flagged:
            yield Sources([])
            yield Token(REFUSALS[decision.reason])
            yield Done("content_filter")
            return
        question = self._guard_input.clean(question)
        masked = self._mask.apply(question)
        query, embedded = await self._embed(question, masked)
        found = await self._cache.look_up(question, embedded, masked)
        if found.answer is not None:
            yield Sources(found.answer.hits)
            for text in pieces(found.answer.text):
                yield Token(text)
            yield Done("stop", {"input_tokens": 0, "output_tokens": 0}, found.answer.note)
            return
        hits = self._guard_passages.keep(await self._find(question, query, embedded, masked))
        hits = pack(self.settings.pack, hits)
        route = self._route.choose(question, hits, masked)
        messages = compose(question, hits, masked, route.destinations)
        yield Sources(hits)
        answer = self._guard_output.begin(question, hits, masked)
        async with Generation(route, messages, deadline) as generation:
            try:
                async for text in generation:
                    if ready := answer.feed(text):
                        yield Token(ready)
                    if answer.ended:
                        break
            except Exception:  # whatever it is: what was held back is part of the answer
                if left := await answer.finish():
                    yield Token(left)
                raise
        if left := await answer.finish():
            yield Token(left)
        await self._cache.keep(found, hits, answer, generation)
        reason = "content_filter" if answer.refused else generation.finish_reason or "stop"
        yield Done(reason, generation.usage, generation.note)

    async def find(self, question: Question) -> list[Hit]:
        """Return the best passages, best first: mask, rewrite, embed, search, rerank.

        Raises:
            RequestRefused: a provider may see nothing of this tenant's texts.
        """
        masked = self._mask.apply(question)
        return await self._find(question, *await self._embed(question, masked), masked)

    async def _embed(self, question: Question, masked: mask.Masked) -> tuple[str, Embedded]:
        query = rewrite(question)
        return query, await embed(self.embedding, masked.text_for(mask.EMBEDDINGS, query))

    async def _find(self, question: Question, query: str, embedded: Embedded, masked: mask.Masked) -> list[Hit]:
        index = {semconv.INDEX_VERSION: self.manifest.version, **index_attributes(self.embedding)}
        search = SearchStage(self.settings, self.retriever, index)
        found = await search.search(masked.text_for(mask.STORE, query), embedded, question.tenant, question.since)
        return self.rerank(query, found)

    def rerank(self, query: str, hits: list[Hit]) -> list[Hit]:
        """Keep the best few."""
        return rerank(self.settings, self._lexicon, query, hits)

    async def learn_notes(self) -> None:
        """Ask the models what they are."""
        await self.generator.learn_note()
        if self._large is not None:
            await self._large.learn_note()

    async def forget_answer(self, tenant: str, trace_id: str) -> bool:
        """Forget the cached answer that a request of a tenant got; False where there is none."""
        return await self._cache.forget(tenant, trace_id)

    async def close(self) -> None:
        """Let go of connections."""
        await self.retriever.close()
        await self.embedding.close()
        await self.generator.close()
        if self._large is not None:
            await self._large.close()
        await self._cache.close()


def _large_generator(settings: AppSettings) -> Generator | None:
    """Return the model for hard questions, with its own prices; None where none is set."""
    endpoint = settings.large_endpoint
    if endpoint is None:
        return None
    return Generator(replace(settings, priced_as=settings.route.large_priced_as), endpoint)


def _basis(settings: AppSettings, manifest: Manifest, embedding: Embedding, generator: Generator) -> list[object]:
    """Return what every answer depends on, beside the question: another basis, other cached answers."""
    large = settings.large_endpoint
    models = [(each.base_url, each.model) for each in (generator.endpoint, large) if each is not None]
    index = [manifest.version, manifest.backend, manifest.collection, embedding.name, embedding.version]
    bounds = [settings.max_output_tokens, settings.temperature, settings.alpha]
    passages = [settings.candidates, settings.top_k, settings.passage_chars]
    rules = [repr(each) for each in (settings.pack, settings.route, settings.guardrails, settings.privacy)]
    return [prompt.version(), models, index, bounds, passages, rules]


def _generations(uploads: UploadFolder) -> Callable[[str], list[int]]:
    """Return what changes with each upload that a tenant may find: its own ones, and those of everybody."""
    return lambda tenant: [uploads.generation(each) for each in visible_to(tenant)]


def _addresses(
    settings: AppSettings, embedding: Embedding, retriever: Retriever, generator: Generator
) -> dict[str, str]:
    """Return where texts are sent, by destination; what is in this process is sent nothing."""
    addresses: dict[str, Any] = {mask.MODEL: generator.endpoint.base_url}
    if settings.large_endpoint is not None:
        addresses[mask.LARGE_MODEL] = settings.large_endpoint.base_url
    by_kind = {"openai": settings.embeddings_base_url, "oip": settings.inference.url}
    if url := by_kind.get(embedding.name.partition(":")[0]):
        addresses[mask.EMBEDDINGS] = url
    if store := store_address(settings, retriever.backend):
        addresses[mask.STORE] = store
    return addresses
