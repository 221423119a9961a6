"""A pipeline with faults in it, built from the same index: its parts are the real ones behind a fault each."""

from __future__ import annotations

import asyncio
import datetime
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightline_app.chaos.faults import WORDS, Faults
from sightline_app.corpus import Passage
from sightline_app.embeddings import Embedded, Embedding, LexicalEmbedding, minilm
from sightline_app.embeddings.protocol import Matrix, Progress
from sightline_app.errors import InvalidSetting
from sightline_app.index import read_corpora, version_folder
from sightline_app.lexicon import Lexicon
from sightline_app.pipeline import Pipeline
from sightline_app.retriever import Hit, Retriever
from sightline_app.settings import AppSettings


def changed(settings: AppSettings, faults: Faults) -> AppSettings:
    """Return the settings that some faults amount to."""
    if faults.model_url:
        settings = replace(settings, model_base_url=faults.model_url, chat_model=faults.model_name)
    if faults.context_passages:
        settings = replace(settings, top_k=min(settings.top_k, faults.context_passages))
    if faults.context_chars:
        settings = replace(settings, passage_chars=faults.context_chars)
    return settings


def harm(pipeline: Pipeline, settings: AppSettings, faults: Faults) -> None:
    """Put the faults into a pipeline that was built with `changed` settings.

    Raises:
        InvalidSetting: the index has no such embedding to change.
    """
    if faults.search_delay_s or faults.stale_tenant:
        pipeline.retriever = _FaultyRetriever(pipeline.retriever, faults)
    if faults.embedding:
        pipeline.embedding = _SwappedEmbedding(_other(pipeline, settings, faults.embedding), pipeline.embedding)


def _other(pipeline: Pipeline, settings: AppSettings, wanted: str) -> Embedding:
    served = pipeline.embedding
    if served.name != minilm.NAME:
        raise InvalidSetting("embedding", wanted, f"the index has vectors of {served.name}; needs those of MiniLM")
    if wanted != WORDS:
        if wanted == settings.minilm.precision:
            raise InvalidSetting("embedding", wanted, "is the precision that the index has; name another one")
        return minilm.MiniLM(replace(settings.minilm, precision=wanted), settings.cache_dir)
    passages = read_corpora(settings.data_dir)
    lexicon = Lexicon.load(version_folder(settings.data_dir, pipeline.manifest.version) / "lexicon.json")
    return LexicalEmbedding.fit(passages, lexicon, pipeline.manifest.version, served.dimensions)


class _SwappedEmbedding:
    """Questions get vectors of another embedding; passages, which stay, get those of the index."""

    def __init__(self, questions: Embedding, passages: Embedding) -> None:
        self._questions = questions
        self._passages = passages
        self.name = questions.name
        self.model = questions.model
        self.provider = questions.provider
        self.version = questions.version
        self.dimensions = passages.dimensions

    def embed_passages(self, passages: Sequence[Passage], progress: Progress) -> Matrix:
        return self._passages.embed_passages(passages, progress)

    async def embed_question(self, question: str) -> Embedded:
        found = await self._questions.embed_question(question)
        missing = self.dimensions - len(found.vector)  # a small corpus gives fewer dimensions than were wanted
        if missing > 0:
            found = replace(found, vector=np.pad(found.vector, (0, missing)))
        return found

    async def close(self) -> None:
        await self._questions.close()
        await self._passages.close()


class _FaultyRetriever:
    """A vector store that is slow, or that misses passages of one tenant."""

    def __init__(self, store: Retriever, faults: Faults) -> None:
        self._store = store
        self._faults = faults
        self.backend = store.backend
        self.operation = store.operation
        self.collection = store.collection

    async def search(
        self, question: str, vector: NDArray[Any], *, tenant: str, since: datetime.date | None, limit: int
    ) -> list[Hit]:
        await asyncio.sleep(self._faults.search_delay_s)
        hits = await self._store.search(question, vector, tenant=tenant, since=since, limit=limit)
        return [hit for hit in hits if not _is_missed(hit)] if tenant == self._faults.stale_tenant else hits

    async def ready(self) -> bool:
        return await self._store.ready()

    async def close(self) -> None:
        await self._store.close()


def _is_missed(hit: Hit) -> bool:
    return hashlib.sha256(hit.id.encode()).digest()[0] % 2 == 0
