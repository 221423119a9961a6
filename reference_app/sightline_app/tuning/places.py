"""Where variants are built: a Weaviate of the run's own, Milvus, and ClickHouse; each empty before and after.

Nothing here touches what the app serves: collections have a name of their own, and Weaviate and Milvus Lite are started
for the run in a temporary folder.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import httpx
import weaviate
from weaviate.classes.config import Reconfigure

from sightline_app.child_server import free_port
from sightline_app.embeddings.protocol import Progress
from sightline_app.errors import RetrievalUnavailable
from sightline_app.retriever import Retriever
from sightline_app.settings import AppSettings, VectorIndexSettings, WeaviateSettings
from sightline_app.tuning.workload import Workload
from sightline_app.vector_stores import weaviate_config
from sightline_app.vector_stores.opening import NAMES, open_store
from sightline_app.vector_stores.protocol import VectorStore
from sightline_app.vector_stores.weaviate_search import location
from sightline_app.weaviate_install import find
from sightline_app.weaviate_server import WeaviateProcess

COLLECTION = "SightlineTune"
"""Name of what is built here."""
_VERSION = "run"
_START_S = 60.0
_QUEUE_S = 300.0
_GC = re.compile(rb"^gc \d+ @.*?(\d+)->(\d+)->(\d+) MB", re.MULTILINE)
"""A line of Go's GC trace; the third number is the heap that lives, in MiB."""
_log = logging.getLogger("sightline.app")


class Place(Protocol):
    """A store to build variants in, one at a time."""

    store: str
    """Its name."""
    tells_memory: bool
    """Whether `memory` can become known by asking more."""

    def build(self, index: VectorIndexSettings, workload: Workload, progress: Progress) -> tuple[float, float]:
        """Build an index in the place of the one before; returns seconds until all was accepted, and of the lag."""

    def retriever(self, index: VectorIndexSettings) -> Retriever:
        """Return the search in what was built, with the search parameters of an index."""

    def memory(self) -> int | None:
        """Return how many bytes the index holds in memory, once it was searched; None where that is not known."""

    def close(self) -> None:
        """Leave nothing behind."""


class StorePlace:
    """A store by the app's own interface.

    Args:
        settings: where it is.
        store: its name.
    """

    tells_memory = False

    def __init__(self, settings: AppSettings, store: str) -> None:
        self.store = store
        self._settings = replace(settings, collection=COLLECTION, alpha=1.0, retrieval=store)
        self._collection = f"{COLLECTION}_{_VERSION}"

    def _open(self, index: VectorIndexSettings) -> VectorStore:
        return open_store(replace(self._settings, vector_index=index), self.store)

    def reachable(self) -> bool:
        """Tell whether the store answers now."""
        return self._open(VectorIndexSettings()).reachable()

    def build(self, index: VectorIndexSettings, workload: Workload, progress: Progress) -> tuple[float, float]:
        """Build an index in the place of the one before."""
        store, accepted = self._open(index), 0.0

        def note(done: int, total: int) -> None:
            nonlocal accepted
            accepted = time.perf_counter()
            progress(done, total)

        started = time.perf_counter()
        store.build(_VERSION, workload.passages, workload.vectors, note)
        self._settle(index)
        return accepted - started, time.perf_counter() - accepted

    def _settle(self, index: VectorIndexSettings) -> None:
        """Wait until nothing waits for the index any more."""

    def retriever(self, index: VectorIndexSettings) -> Retriever:
        """Return the search in what was built."""
        return self._open(index).retriever(self._collection)

    def memory(self) -> int | None:
        """Return how many bytes the index holds in memory."""
        return None

    def close(self) -> None:
        """Drop what was built."""
        with contextlib.suppress(RetrievalUnavailable):
            self._open(VectorIndexSettings()).drop_others(())


class WeaviatePlace(StorePlace):
    """A Weaviate that is started anew for each build, so that its memory is the index's; or the one of WEAVIATE_URL.

    Args:
        settings: where it is, if not here.
        binary: the server; None where WEAVIATE_URL is set.
        folder: for its data.
    """

    def __init__(self, settings: AppSettings, binary: Path | None, folder: Path) -> None:
        super().__init__(settings, "weaviate")
        self._binary, self._folder = binary, folder
        self.tells_memory = binary is not None
        self._server: WeaviateServer | None = None

    def build(self, index: VectorIndexSettings, workload: Workload, progress: Progress) -> tuple[float, float]:
        """Build an index in a fresh server."""
        if self._binary is not None:
            self._stop()
            self._server = WeaviateServer(self._binary, self._folder)
            self._settings = self._server.reached_by(self._settings)
        return super().build(index, workload, progress)

    def _settle(self, index: VectorIndexSettings) -> None:
        deadline = time.monotonic() + _QUEUE_S
        with self._client() as client:
            while waiting := weaviate_config.queued(client, self._collection):
                if time.monotonic() > deadline:
                    raise RetrievalUnavailable(f"{waiting} vectors still wait for Weaviate's index")
                time.sleep(0.05)
        if self._server is not None:
            self._server.note_written()

    @contextlib.contextmanager
    def _client(self) -> Iterator[Any]:
        with weaviate.connect_to_custom(**location(self._settings)) as client:
            yield client

    def retriever(self, index: VectorIndexSettings) -> Retriever:
        """Return the search; in Weaviate, how many candidates it keeps (`ef`) is a property of the collection."""
        if index.kind != "flat":
            config = Reconfigure.VectorIndex.hnsw(ef=index.ef if index.ef is not None else -1)
            with self._client() as client:
                found = client.collections.get(self._collection)
                found.config.update(vector_config=Reconfigure.Vectors.update(vector_index_config=config))
        return super().retriever(index)

    def memory(self) -> int | None:
        """Return how much the server's live heap has grown since it was empty."""
        return None if self._server is None else self._server.heap_growth()

    def _stop(self) -> None:
        if self._server is not None:
            self._server.stop()
            self._server = None

    def close(self) -> None:
        """Stop the server, or drop what was built in one that is not ours."""
        if self._binary is None:
            super().close()
        self._stop()


def at_ports(settings: AppSettings, port: int, grpc_port: int) -> AppSettings:
    """Return settings that lead to a Weaviate of this machine, also where they name another one."""
    return replace(
        settings,
        weaviate_url=None,
        weaviate_grpc_port=None,
        weaviate_api_key=None,
        local_weaviate_host="127.0.0.1",
        local_weaviate_port=port,
        local_weaviate_grpc_port=grpc_port,
    )


class WeaviateServer:
    """An empty Weaviate of its own, on free ports of this machine, which tells what its heap holds.

    Args:
        binary: the server.
        folder: in which it gets a folder.
    """

    def __init__(self, binary: Path, folder: Path) -> None:
        self._folder = Path(tempfile.mkdtemp(dir=folder))
        self._ports = WeaviateSettings(port=free_port(), grpc_port=free_port(), data_dir=self._folder / "data")
        self._log = self._folder / "log"
        with self._log.open("wb") as log:
            # A line of each garbage collection tells what lives, without another port and without disturbing it.
            env = {**os.environ, "GODEBUG": "gctrace=1", "LOG_LEVEL": "error"}
            self._process = WeaviateProcess(self._ports, binary, env, log)
        if not self._process.wait_until_ready(_START_S):
            self.stop()
            raise RetrievalUnavailable(f"the Weaviate of this run was not ready within {_START_S:g} s")
        self._told = self._log.stat().st_size
        self._empty = self._live_bytes(0)

    def reached_by(self, settings: AppSettings) -> AppSettings:
        """Return settings that lead to it."""
        return at_ports(settings, self._ports.port, self._ports.grpc_port)

    def note_written(self) -> None:
        """Look only at what is told from now on."""
        self._told = self._log.stat().st_size

    def heap_growth(self) -> int | None:
        """Return the bytes that live now beyond those of the empty server; None before a collection has told."""
        now = self._live_bytes(self._told)
        return None if now is None or self._empty is None else max(0, now - self._empty)

    def _live_bytes(self, since: int) -> int | None:
        with self._log.open("rb") as log:
            log.seek(since)
            found = _GC.findall(log.read())
        return int(found[-1][2]) * 1_048_576 if found else None

    def stop(self) -> None:
        """Stop it; its data goes with the folder."""
        self._process.stop()


class MilvusPlace(StorePlace):
    """Milvus Lite in a folder of its own, or the server of MILVUS_URI.

    Args:
        settings: where it is.
        folder: for Milvus Lite.
    """

    def __init__(self, settings: AppSettings, folder: Path) -> None:
        self._lite = settings.milvus.uri.endswith(".db")
        if self._lite:
            settings = replace(settings, milvus=replace(settings.milvus, uri=str(folder / "milvus.db")))
        super().__init__(settings, "milvus")

    def memory(self) -> int | None:
        """Return the size of Milvus Lite's index files, which it holds in memory as they are."""
        if not self._lite:
            return None
        folder = Path(self._settings.milvus.uri) / "collections" / self._collection
        return sum(path.stat().st_size for path in folder.rglob("*.idx"))


class ClickHousePlace(StorePlace):
    """ClickHouse at SIGHTLINE_STORE_URL.

    Args:
        settings: where it is.
    """

    def __init__(self, settings: AppSettings) -> None:
        super().__init__(settings, "clickhouse")

    def memory(self) -> int | None:
        """Return the size of the index in memory; of an exact search, that of the vectors, which it reads."""
        index = (
            "SELECT sum(data_uncompressed_bytes) FROM system.data_skipping_indices"  # noqa: S608
            f" WHERE database = 'sightline_app' AND table = '{self._collection}'"
        )
        column = (
            "SELECT sum(column_data_uncompressed_bytes) FROM system.parts_columns"  # noqa: S608
            f" WHERE database = 'sightline_app' AND table = '{self._collection}' AND column = 'vector' AND active"
        )
        return self._number(index) or self._number(column) or None

    def _number(self, query: str) -> int:
        settings = self._settings
        headers = {"X-ClickHouse-User": settings.store_user, "X-ClickHouse-Key": settings.store_password}
        try:
            answer = httpx.post(settings.store_url, content=query.encode(), headers=headers, timeout=30)
            return int(answer.raise_for_status().text)
        except (httpx.HTTPError, ValueError) as exc:
            _log.warning("the size of ClickHouse's index is not known: %s", exc)
            return 0


def open_place(settings: AppSettings, store: str, folder: Path) -> Place:
    """Return where the variants of a store are built.

    Raises:
        RetrievalUnavailable: there is no such store here; says what to do.
        MissingExtra: its client is not installed.
    """
    if store == "weaviate":
        binary = None if settings.weaviate_url else find(settings.cache_dir, os.environ.get("PATH"))
        if binary is None and not settings.weaviate_url:
            raise RetrievalUnavailable("no Weaviate server is installed; run `sightline-weaviate --install-only`")
        return WeaviatePlace(settings, binary, folder)
    place = MilvusPlace(settings, folder) if store == "milvus" else ClickHousePlace(settings)
    if not place.reachable():
        raise RetrievalUnavailable(f"{NAMES[store]} does not answer")
    return place
