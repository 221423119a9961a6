"""Faults of the pipeline that `sightline-app chaos` asks an application for, and their end."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sightline_app.chaos.board import FaultBoard
from sightline_app.chaos.faults import Faults
from sightline_app.chaos.faulty_pipeline import changed, harm
from sightline_app.corpus import make_passage
from sightline_app.embeddings import Embedded, minilm
from sightline_app.errors import InvalidSetting, RequestRefused
from sightline_app.lexicon import Lexicon, weighted_terms
from sightline_app.retriever import Hit
from sightline_app.settings import AppSettings

HITS = [Hit(str(number), "t", "x", [], "m", "", 1.0) for number in range(40)]


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"speed": 1}, "is none of"),
        ({"search_delay_s": "1"}, "must be a float"),
        ({"search_delay_s": True}, "must be a float"),
        ({"search_delay_s": 61}, "from 0 to 60"),
        ({"search_delay_s": float("nan")}, "from 0 to 60"),
        ({"context_passages": -1}, "from 0 to 100"),
        ({"embedding": "fp64"}, "must be one of words, fp32"),
        ({"model_url": "http://127.0.0.1:1/v1"}, "belong together"),
        ({"model_url": "http://evil.example/v1", "model_name": "m"}, "loopback"),
    ],
)
def test_faults_that_cannot_be_are_refused(body: dict[str, Any], problem: str) -> None:
    """Prompts never leave the machine, and no delay is for ever."""
    with pytest.raises(RequestRefused, match=problem):
        Faults.read(body)


def test_faults_change_settings() -> None:
    """Another model, fewer and shorter passages; nothing else."""
    faults = Faults.read(
        {"model_url": "http://127.0.0.1:9/v1", "model_name": "m2", "context_passages": 1, "context_chars": 90}
    )
    settings = AppSettings()
    expected = replace(settings, model_base_url="http://127.0.0.1:9/v1", chat_model="m2", top_k=1, passage_chars=90)
    assert changed(settings, faults) == expected
    assert changed(settings, Faults()) == settings


class Store:
    """A vector store that returns 40 passages."""

    backend = operation = collection = "x"

    async def search(self, question: str, vector: Any, **_: Any) -> list[Hit]:
        """Return them."""
        return HITS


class Words:
    """An embedding that is not MiniLM."""

    name = "lexical"


def pipeline() -> Any:
    """Only what faults touch."""
    return SimpleNamespace(retriever=Store(), embedding=Words())


async def test_stale_tenant_misses_half_of_the_passages_always_the_same() -> None:
    """Other tenants find all."""
    harmed = pipeline()
    harm(harmed, AppSettings(), Faults(stale_tenant="acme"))

    async def found(tenant: str) -> list[str]:
        hits = await harmed.retriever.search("q", np.zeros(2), tenant=tenant, since=None, limit=40)
        return [hit.id for hit in hits]

    assert 10 < len(await found("acme")) < 30
    assert await found("acme") == await found("acme")
    assert len(await found("globex")) == 40


async def test_slow_search_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as the fault says."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("sightline_app.chaos.faulty_pipeline.asyncio.sleep", sleep)
    harmed = pipeline()
    harm(harmed, AppSettings(), Faults(search_delay_s=1.5))
    assert await harmed.retriever.search("q", np.zeros(2), tenant="acme", since=None, limit=40) == HITS
    assert slept == [1.5]


def test_embedding_of_another_kind_is_not_swapped() -> None:
    """The message says what the index has."""
    with pytest.raises(InvalidSetting, match="vectors of lexical"):
        harm(pipeline(), AppSettings(), Faults(embedding="fp32"))


class MiniLM:
    """The index's embedding, or another precision of it."""

    name = minilm.NAME
    model = minilm.NAME
    provider = "onnxruntime"
    dimensions = 8

    def __init__(self, settings: Any, cache_dir: Path) -> None:
        self.version = str(settings.precision)
        self.closed = False

    async def embed_question(self, question: str) -> Embedded:
        """Return ones."""
        return Embedded(np.ones(8, np.float32), 1)

    def embed_passages(self, passages: Any, progress: Any) -> Any:
        """Say whose vectors these are."""
        return self.version

    async def close(self) -> None:
        """Note it."""
        self.closed = True


def with_minilm() -> Any:
    """A pipeline over an index with INT8 vectors."""
    settings = SimpleNamespace(precision="int8")
    manifest = SimpleNamespace(version="v1")
    return SimpleNamespace(retriever=Store(), embedding=MiniLM(settings, Path()), manifest=manifest)


async def test_questions_get_another_precision_and_passages_keep_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spans name the other one; an upload meanwhile gets vectors that fit the index; both are closed."""
    monkeypatch.setattr(minilm, "MiniLM", MiniLM)
    harmed = with_minilm()
    original = harmed.embedding
    harm(harmed, AppSettings(), Faults(embedding="fp32"))
    assert (harmed.embedding.version, harmed.embedding.embed_passages([], lambda *_: None)) == ("fp32", "int8")
    await harmed.embedding.close()
    assert original.closed
    with pytest.raises(InvalidSetting, match="is the precision that the index has"):
        harm(with_minilm(), AppSettings(), Faults(embedding="int8"))


async def test_questions_are_embedded_by_their_words_in_as_many_dimensions(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small corpus has fewer dimensions than the index: the rest are zeros, so that the search takes the vector."""
    texts = {"os.path.join": "Join pathname components.", "json.loads": "Deserialize a JSON document."}
    passages = [
        make_passage(title=name, text=text, names=[name], module="m", date="2026-01-02") for name, text in texts.items()
    ]
    lexicon = Lexicon.fit(weighted_terms(each) for each in passages)
    monkeypatch.setattr("sightline_app.chaos.faulty_pipeline.read_corpora", lambda _: passages)
    monkeypatch.setattr(Lexicon, "load", lambda _: lexicon)
    harmed = with_minilm()
    harm(harmed, AppSettings(), Faults(embedding="words"))
    assert harmed.embedding.name == "lexical"
    vector = (await harmed.embedding.embed_question("join a path")).vector
    assert vector.shape == (8,)
    assert np.linalg.norm(vector) == pytest.approx(1.0)


class Served:
    """An app that serves what its board builds."""

    def __init__(self) -> None:
        self.board = FaultBoard(lambda settings: pipeline())
        self.board.serve_with(self.rebuild)
        self.settings = AppSettings()
        self.pipeline: Any = self.board.build(self.settings)
        self.rebuilt = asyncio.Event()

    async def rebuild(self) -> None:
        """Serve a new pipeline."""
        self.pipeline = self.board.build(self.settings)
        self.rebuilt.set()


async def test_faults_end_by_themselves() -> None:
    """Whoever put them in may be dead by then."""
    served = Served()
    await served.board.put(Faults(search_delay_s=9.0), 0.05)
    assert not isinstance(served.pipeline.retriever, Store)
    assert served.board.told()["search_delay_s"] == 9.0
    served.rebuilt.clear()
    await asyncio.wait_for(served.rebuilt.wait(), 30)
    assert isinstance(served.pipeline.retriever, Store)
    assert served.board.told() == Faults().__dict__


async def test_faults_that_cannot_be_had_leave_those_before() -> None:
    """The app serves on as it did."""
    served = Served()
    await served.board.put(Faults(stale_tenant="acme"), 60.0)
    with pytest.raises(InvalidSetting):
        await served.board.put(Faults(embedding="int8"), 60.0)
    assert served.board.told()["stale_tenant"] == "acme"
    await served.board.put(Faults(), 0.0)
    assert isinstance(served.pipeline.retriever, Store)
