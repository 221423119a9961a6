"""The vector stores that the contract is checked on, each started for the purpose and empty."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pinecone_double import PineconeDouble
from role_process import Role, free_port

from sightline_app.settings import (
    AppSettings,
    MilvusSettings,
    PineconeSettings,
    VectorIndexSettings,
    WeaviateSettings,
)
from sightline_app.vector_stores.opening import open_store
from sightline_app.vector_stores.protocol import VectorStore
from sightline_app.weaviate_install import find
from sightline_app.weaviate_server import WeaviateProcess

DIMENSIONS = 32
"""Of the vectors of the contract."""
_GRAPH = VectorIndexSettings(kind="hnsw", max_connections=16, ef_construction=64)
"""A graph that is built soon."""
TITLES = {
    "weaviate": "Weaviate",
    "milvus": "Milvus Lite",
    "pinecone": "Pinecone (a local double of its API)",
    "clickhouse": "ClickHouse, exact",
    "clickhouse-hnsw": "ClickHouse, HNSW",
}
"""Stores of the contract, by their place."""


class NotHere(Exception):
    """A store cannot be started here; the message says why, loudly."""


@dataclass(frozen=True)
class Place:
    """One store, and settings that lead to it."""

    name: str
    settings: AppSettings
    late: Callable[[float], None] | None = None
    """Makes the store show writes so many seconds late; None where it cannot be made to."""

    @property
    def backend(self) -> str:
        """Name of the store."""
        return self.name.partition("-")[0]

    def store(self, **changes: Any) -> VectorStore:
        """Open it; changes of the settings in."""
        return open_store(replace(self.settings, **changes), self.backend)


@contextlib.contextmanager
def opened(name: str, folder: Path, store_url: str = "") -> Iterator[Place]:
    """Start a store, and stop it at the end.

    Args:
        name: of `TITLES`.
        folder: for its data.
        store_url: a ClickHouse that runs; '' starts one where it is needed.

    Raises:
        NotHere: it cannot be started.
    """
    settings = AppSettings(
        data_dir=folder / "app",
        retrieval=name.partition("-")[0],
        collection="Contract",
        search_timeout_s=30.0,
        alpha=1.0,
    )
    if name == "weaviate":
        yield from _weaviate(folder, settings)
    elif name == "milvus":
        place = MilvusSettings(uri=str(folder / "milvus.db"))
        yield Place(name, replace(settings, milvus=place))
        release_milvus(place.uri)
    elif name == "pinecone":
        double = PineconeDouble(DIMENSIONS)

        def late(seconds: float) -> None:
            double.late_s = seconds

        keys = PineconeSettings(index_host=double.url, api_key="key-of-the-contract")
        try:
            yield Place(name, replace(settings, pinecone=keys), late)
        finally:
            double.close()
    else:
        collection = "Contract" + settings.vector_index.kind.capitalize()
        with _clickhouse(folder, store_url) as url:
            yield Place(name, replace(settings, store_url=url, collection=collection))


def release_milvus(uri: str) -> None:
    """Close a Milvus Lite of this process, and forget the connections to it."""
    from milvus_lite.server_manager import server_manager_instance

    from sightline_app.vector_stores import milvus

    for key in [each for each in milvus._clients if each[0] == uri]:
        milvus._clients.pop(key).close()
    server_manager_instance.release_server(uri)


def _weaviate(folder: Path, settings: AppSettings) -> Iterator[Place]:
    cache = Path(os.environ.get("SIGHTLINE_CACHE_DIR", "~/.cache/sightline")).expanduser()
    binary = find(cache, os.environ.get("PATH"))
    if binary is None:
        raise NotHere(f"NO WEAVIATE: no binary on PATH or in {cache / 'bin'}; run `sightline-weaviate --install-only`")
    server = WeaviateSettings(port=free_port(), grpc_port=free_port(), data_dir=folder / "weaviate")
    # Its index lags behind what it accepted: the harder case.
    lagging = {"ASYNC_INDEXING": "true", "QUEUE_SCHEDULER_INTERVAL": "100ms"}
    process = WeaviateProcess(server, binary, {**os.environ, **lagging})
    try:
        if not process.wait_until_ready(60):
            raise NotHere("Weaviate did not start within 60 s")
        ports = {"local_weaviate_port": server.port, "local_weaviate_grpc_port": server.grpc_port}
        yield Place("weaviate", replace(settings, **ports))
    finally:
        process.stop()


@contextlib.contextmanager
def _clickhouse(folder: Path, store_url: str) -> Iterator[str]:
    if store_url:
        yield store_url
        return
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    env = {"SIGHTLINE_STORE_PORT": str(port), "SIGHTLINE_STORE_DATA_DIR": str(folder / "data")}
    role = Role(["sightline-store", "serve"], env, f"{url}/ping", folder / "log")
    try:
        role.start()
        yield url
    finally:
        role.stop()
