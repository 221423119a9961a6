"""Which vector store is opened, and what it says of settings that it cannot follow."""

from __future__ import annotations

import builtins
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sightline_app.corpus import make_passage
from sightline_app.errors import IndexStale, InvalidSetting, MissingExtra
from sightline_app.index import CorpusRecord, Manifest, _is_current
from sightline_app.settings import AppSettings, MilvusSettings, PineconeSettings, VectorIndexSettings
from sightline_app.vector_stores.freshness import wait_until_searchable
from sightline_app.vector_stores.opening import open_store, store_address
from sightline_app.vector_stores.threaded import ThreadedRetriever

PINECONE = PineconeSettings(index_host="http://127.0.0.1:9", api_key="k")


@pytest.mark.parametrize(
    ("backend", "index", "variable"),
    [
        ("weaviate", VectorIndexSettings(kind="ivf"), "SIGHTLINE_APP_INDEX"),
        ("weaviate", VectorIndexSettings(kind="flat", quantizer="pq"), "SIGHTLINE_APP_INDEX_QUANTIZER"),
        ("clickhouse", VectorIndexSettings(kind="ivf"), "SIGHTLINE_APP_INDEX"),
        ("clickhouse", VectorIndexSettings(quantizer="sq"), "SIGHTLINE_APP_INDEX_QUANTIZER"),
        ("pinecone", VectorIndexSettings(ef=64), "SIGHTLINE_APP_INDEX_EF"),
    ],
)
def test_index_that_a_store_does_not_have_is_refused(backend: str, index: VectorIndexSettings, variable: str) -> None:
    """By the setting that asks for it, before anything is written."""
    with pytest.raises(InvalidSetting) as refused:
        open_store(AppSettings(pinecone=PINECONE, vector_index=index), backend)
    assert refused.value.variable == variable


def test_pinecone_needs_an_address_and_a_key() -> None:
    """The missing one is named."""
    with pytest.raises(InvalidSetting, match="PINECONE_INDEX_HOST"):
        open_store(AppSettings(), "pinecone")
    with pytest.raises(InvalidSetting, match="PINECONE_API_KEY"):
        open_store(AppSettings(pinecone=PineconeSettings(index_host="https://x")), "pinecone")


@pytest.mark.parametrize(("backend", "package"), [("milvus", "pymilvus"), ("pinecone", "pinecone")])
def test_client_that_is_not_installed_names_its_extra(
    monkeypatch: pytest.MonkeyPatch, backend: str, package: str
) -> None:
    """The message can be pasted."""
    real = builtins.__import__

    def importing(name: str, *args: Any, **more: Any) -> Any:
        if name == f"sightline_app.vector_stores.{backend}":
            raise ModuleNotFoundError(f"No module named {package!r}", name=package)
        return real(name, *args, **more)

    monkeypatch.setattr(builtins, "__import__", importing)
    with pytest.raises(MissingExtra, match=rf"sightline-platform\[{backend}\]"):
        open_store(AppSettings(), backend)


def test_texts_of_a_store_in_this_process_go_nowhere() -> None:
    """Milvus Lite has no address; the others have theirs."""
    settings = AppSettings(pinecone=PINECONE, weaviate_url="https://w")
    assert store_address(settings, "milvus") == ""
    served = AppSettings(milvus=MilvusSettings(uri="http://m:19530"))
    assert store_address(served, "milvus") == "http://m:19530"
    assert store_address(settings, "weaviate") == "https://w"
    assert store_address(settings, "pinecone") == "http://127.0.0.1:9"
    assert store_address(settings, "clickhouse") == settings.store_url


def test_index_of_the_defaults_has_no_description() -> None:
    """So that an index from before these settings is the one that they mean."""
    assert VectorIndexSettings().describe() == ""
    assert VectorIndexSettings(ef=64, kind="hnsw").describe() == "SIGHTLINE_APP_INDEX=hnsw SIGHTLINE_APP_INDEX_EF=64"


def test_other_index_settings_mean_another_index() -> None:
    """An index that was built before, or with others, is built anew; one of the same settings is not."""
    store: Any = SimpleNamespace(backend="weaviate", count=lambda collection: 3)
    corpora = {"public": CorpusRecord("docs", "fingerprint", "content", 3)}
    known = Manifest("v", "weaviate", "c", "lexical", "1", 2, "wish", corpora, vector_index="SIGHTLINE_APP_INDEX_EF=64")

    def is_current(index: str) -> bool:
        return _is_current(known, store, "public", "fingerprint", "wish", index, 0)

    assert is_current(VectorIndexSettings(ef=64).describe())
    assert not is_current(VectorIndexSettings(ef=65).describe())
    assert not is_current(VectorIndexSettings().describe())


def test_last_passage_is_in_the_sample_and_the_wait_ends_when_all_are_found() -> None:
    """What a store accepted last is the first to be missing."""
    passages = [make_passage(title=str(n), text="", names=[], module="m", date="2026-01-01") for n in range(30)]
    asked: list[list[str]] = []

    def unsearchable(sample: Any, sampled: Any) -> list[str]:
        assert len(sample) == len(sampled)
        asked.append([each.id for each in sample])
        return [passages[-1].id] if len(asked) < 3 else []

    lag_s = wait_until_searchable("a store", passages, np.ones((30, 2), np.float32), unsearchable, 60)
    assert len(asked) == 3
    assert lag_s > 0
    assert passages[0].id in asked[0]
    assert passages[-1].id in asked[0]
    assert len(asked[0]) < len(passages)


def test_nothing_written_is_found_at_once() -> None:
    """An empty write waits for nothing."""
    wait_until_searchable("a store", [], np.ones((0, 2), np.float32), lambda sample, sampled: [], 0)


def test_stale_index_says_which_and_how_many() -> None:
    """The error has the ids, and names the store."""
    passages = [make_passage(title=str(n), text="", names=[], module="m", date="2026-01-01") for n in range(2)]
    with pytest.raises(IndexStale, match="a store") as stale:
        wait_until_searchable(
            "a store", passages, np.ones((2, 2), np.float32), lambda sample, _: [sample[0].id], wait_s=0
        )
    assert (stale.value.missing, stale.value.of) == ([passages[0].id], 2)


async def test_blocking_store_that_hangs_is_given_up_and_left_alone() -> None:
    """A search ends with its timeout; after three, questions are answered without it."""
    import threading

    from sightline_app.errors import RetrievalUnavailable

    hold, asked = threading.Event(), []

    def nearest(*_: Any) -> list[Any]:
        asked.append(1)
        hold.wait(30)
        return []

    retriever = ThreadedRetriever("milvus", "search", "c", nearest=nearest, reachable=lambda: True, timeout_s=0.01)
    for _ in range(6):
        with pytest.raises(RetrievalUnavailable, match="did not answer"):
            await retriever.search("", np.ones(2), tenant="a", since=None, limit=1)
    assert len(asked) == 3
    hold.set()
    assert await retriever.ready()
    await retriever.close()
