"""The vector store of the settings; of the others nothing is imported."""

from __future__ import annotations

import logging
import time

from sightline_app.errors import InvalidSetting, MissingExtra, RetrievalUnavailable
from sightline_app.settings import AppSettings
from sightline_app.vector_stores.protocol import VectorStore

_log = logging.getLogger("sightline.app")
NAMES = {"weaviate": "Weaviate", "milvus": "Milvus", "pinecone": "Pinecone", "clickhouse": "ClickHouse"}
"""Names for people."""
_HOW_TO_START = {
    "weaviate": "start `sightline-weaviate` or set WEAVIATE_URL",
    "milvus": "start it or set MILVUS_URI",
    "pinecone": "look at PINECONE_INDEX_HOST and PINECONE_API_KEY",
    "clickhouse": "start `sightline-store serve` or set SIGHTLINE_STORE_URL",
}


def open_store(settings: AppSettings, backend: str) -> VectorStore:
    """Return a vector store by its name; nothing is asked of it yet.

    Raises:
        MissingExtra: its client is not installed.
        InvalidSetting: it needs a setting that is not there, or has no index such as the settings ask for.
    """
    try:
        if backend == "weaviate":
            from sightline_app.vector_stores.weaviate import WeaviateStore  # noqa: PLC0415

            return WeaviateStore(settings)
        if backend == "milvus":
            from sightline_app.vector_stores.milvus import MilvusStore  # noqa: PLC0415

            return MilvusStore(settings)
        if backend == "pinecone":
            from sightline_app.vector_stores.pinecone import PineconeStore  # noqa: PLC0415

            return PineconeStore(settings)
        from sightline_app.vector_stores.clickhouse import ClickHouseStore  # noqa: PLC0415

        return ClickHouseStore(settings)
    except ModuleNotFoundError as exc:
        if exc.name is None or exc.name.partition(".")[0] not in {"pymilvus", "milvus_lite", "pinecone"}:
            raise
        raise MissingExtra("SIGHTLINE_RETRIEVAL", backend, backend) from exc


def choose_store(settings: AppSettings, wait_s: float = 3.0) -> VectorStore:
    """Return the vector store to write a new index to: that of the setting; `auto` takes Weaviate, else ClickHouse.

    Args:
        settings: which one is wished for and where they are.
        wait_s: how long to wait for it to come up; `auto` waits for Weaviate only.

    Raises:
        RetrievalUnavailable: it does not answer.
        MissingExtra: its client is not installed.
        InvalidSetting: it needs a setting that is not there.
    """
    wanted = settings.retrieval
    store = open_store(settings, "weaviate" if wanted == "auto" else wanted)
    deadline = time.monotonic() + wait_s
    while not store.reachable():
        if time.monotonic() > deadline:
            break
        time.sleep(0.3)
    else:
        return store
    if wanted != "auto":
        raise RetrievalUnavailable(f"{NAMES[wanted]} does not answer; {_HOW_TO_START[wanted]}")
    clickhouse = open_store(settings, "clickhouse")
    if clickhouse.reachable():
        warn_of_fallback(settings)
        return clickhouse
    raise RetrievalUnavailable(
        "neither Weaviate nor the store answers; start `sightline-weaviate` or `sightline-store serve`, "
        f"or set WEAVIATE_URL or SIGHTLINE_STORE_URL (now {settings.store_url})"
    )


def warn_of_fallback(settings: AppSettings) -> None:
    """Say that ClickHouse stands in where nobody asked for it."""
    if settings.retrieval == "auto":
        _log.warning(
            "NO WEAVIATE: retrieval runs inside ClickHouse (%s), with a simpler keyword side", settings.store_url
        )


def check_words(settings: AppSettings, backend: str) -> None:
    """Say what a store that searches by vectors alone makes of SIGHTLINE_APP_ALPHA.

    Raises:
        InvalidSetting: words alone are asked for, which it cannot search by.
    """
    if settings.alpha == 0:
        raise InvalidSetting("SIGHTLINE_APP_ALPHA", 0, f"{NAMES[backend]} searches by vectors only here; set 1")
    if settings.alpha < 1:
        _log.warning(
            "%s searches by vectors only here: SIGHTLINE_APP_ALPHA=%g counts as 1. Words count in the rerank stage",
            NAMES[backend],
            settings.alpha,
        )


def store_address(settings: AppSettings, backend: str) -> str:
    """Return where texts go that a store is asked with; '' where they stay in this process."""
    if backend == "weaviate":
        local = f"http://{settings.local_weaviate_host}:{settings.local_weaviate_port}"
        return settings.weaviate_url or local
    if backend == "milvus":
        return "" if settings.milvus.uri.endswith(".db") else settings.milvus.uri
    return settings.pinecone.index_host if backend == "pinecone" else settings.store_url
