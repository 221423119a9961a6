"""Milvus as the vector store: a server, or Milvus Lite in this process, in a folder whose name ends in `.db`.

Searches are by vectors alone. They read with the consistency level Strong, so that what was inserted is found; who sets
another level on a server is told by `unsearchable` what is missing.

Milvus Lite keeps a lock on its folder: while `sightline-app serve` runs, `sightline-app ingest` cannot open it.

Source: https://milvus.io/docs/index.md, https://milvus.io/docs/consistency.md
"""

from __future__ import annotations

import datetime
import logging
import re
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from pymilvus import DataType, MilvusClient, MilvusException  # type: ignore[import-untyped]  # has none

from sightline_app.corpus import Passage
from sightline_app.embeddings.protocol import Matrix
from sightline_app.errors import RetrievalUnavailable
from sightline_app.retriever import Hit
from sightline_app.settings import AppSettings, MilvusSettings, VectorIndexSettings
from sightline_app.vector_stores.base import BaseStore, batches, day_of, hit_of, kept
from sightline_app.vector_stores.connection import Connection
from sightline_app.vector_stores.freshness import NEAREST, SAME
from sightline_app.vector_stores.opening import check_words
from sightline_app.vector_stores.protocol import Progress
from sightline_app.vector_stores.threaded import ThreadedRetriever

_BATCH = 500
_CONNECT_S = 3.0
_INDEX_TYPES = {
    ("hnsw", ""): "HNSW",
    ("hnsw", "sq"): "HNSW_SQ",
    ("ivf", ""): "IVF_FLAT",
    ("ivf", "sq"): "IVF_SQ8",
    ("flat", ""): "FLAT",
}
"""Kind and quantizer of the settings -> Milvus' own name. Its others (PQ, RaBitQ) are not in Milvus Lite."""
_clients: dict[tuple[str, str], MilvusClient] = {}
"""One connection to each place: Milvus Lite can be opened once."""
_connecting = threading.Lock()


class MilvusStore(BaseStore):
    """Collections of Milvus.

    Raises:
        InvalidSetting: Milvus has no index such as the settings ask for, or cannot search by words alone.
    """

    backend, title = "milvus", "Milvus"

    def __init__(self, settings: AppSettings) -> None:
        super().__init__(settings)
        self._index_type = _index_type(settings.vector_index)
        self._connection = Connection(
            f"Milvus at {settings.milvus.uri}", lambda: _client(settings.milvus), (MilvusException, OSError)
        )

    def reachable(self) -> bool:
        """Tell whether it answers now."""
        try:
            with self._connection.asking() as client:
                client.list_collections(timeout=_CONNECT_S)
        except RetrievalUnavailable as exc:
            logging.getLogger("sightline.app").debug("%s", exc)
            return False
        return True

    def count(self, collection: str) -> int:
        """Return how many passages a collection holds; 0 when it is not there."""
        with self._connection.asking() as client:
            if not client.has_collection(_name(collection)):
                return 0
            found = client.query(collection, filter="", output_fields=["count(*)"], consistency_level="Strong")
            return int(found[0]["count(*)"])

    def build(self, version: str, passages: Sequence[Passage], vectors: Matrix, progress: Progress) -> str:
        """Write all passages into a fresh collection, build its index and wait until they are found."""
        name = _name(self.name(version))
        with self._connection.asking() as client:
            if client.has_collection(name):
                client.drop_collection(name)
            client.create_collection(name, schema=_schema(client, vectors.shape[1]), consistency_level="Strong")
            self._write(name, passages, vectors, progress)
            client.flush(name)
            indexes = client.prepare_index_params()
            indexes.add_index(
                "vector", index_type=self._index_type, metric_type="COSINE", params=_built(self._settings.vector_index)
            )
            # Milvus Lite builds it while it loads, and has no clock to wait by, which it says with a traceback.
            client.create_index(name, indexes, sync=not self._settings.milvus.uri.endswith(".db"))
            client.load_collection(name)
        self._wait(name, passages, vectors)
        return name

    def delete(self, collection: str, *documents: str) -> None:
        """Remove the passages of uploaded documents."""
        with self._connection.asking() as client:
            if documents and client.has_collection(_name(collection)):
                client.delete(collection, filter=f"document in {_listed(documents)}")

    def _found(self, collection: str, wanted: Sequence[tuple[str, NDArray[Any]]]) -> set[str]:
        def is_found(passage: str, vector: NDArray[Any]) -> bool:
            nearest = self._search(collection, vector, "", NEAREST, ["id"])
            return any(each["id"] == passage or 1 - each["distance"] < SAME for each in nearest)

        return {passage for passage, vector in wanted if is_found(passage, vector)}

    def _names(self) -> Iterable[str]:
        with self._connection.asking() as client:
            return list(client.list_collections())

    def _drop(self, collection: str) -> None:
        with self._connection.asking() as client:
            client.drop_collection(collection)

    def retriever(self, collection: str) -> ThreadedRetriever:
        """Return the search by vectors."""
        check_words(self._settings, self.backend)

        def nearest(vector: NDArray[Any], tenants: list[str], since: datetime.date | None, limit: int) -> list[Hit]:
            wanted = f"tenant in {_listed(tenants)}"
            wanted += "" if since is None else f" and day >= {since.toordinal()}"
            found = self._search(_name(reading.collection), vector, wanted, limit, ["passage", "day"])
            return [_hit(each) for each in found]

        reading = ThreadedRetriever(
            self.backend,
            "search",
            collection,
            nearest=nearest,
            reachable=self.reachable,
            timeout_s=self._settings.search_timeout_s,
        )
        return reading

    def _search(
        self, collection: str, vector: NDArray[Any], wanted: str, limit: int, fields: list[str]
    ) -> list[dict[str, Any]]:
        with self._connection.asking() as client:
            found = client.search(
                collection,
                data=[vector.tolist()],
                filter=wanted,
                limit=limit,
                output_fields=fields,
                search_params={"metric_type": "COSINE", "params": _asked(self._settings.vector_index, limit)},
                consistency_level="Strong",
                timeout=self._settings.search_timeout_s,
            )
            return list(found[0])

    def _write(self, collection: str, passages: Sequence[Passage], vectors: Matrix, progress: Progress) -> None:
        with self._connection.asking() as client:
            for rows in batches(passages, vectors, _BATCH, progress):
                client.upsert(collection, [_row(passage, vector) for passage, vector in rows])


def _client(where: MilvusSettings) -> MilvusClient:
    key = (where.uri, where.secret_token)
    with _connecting:
        if key not in _clients:
            if where.uri.endswith(".db"):
                Path(where.uri).resolve().parent.mkdir(parents=True, exist_ok=True)
            _clients[key] = MilvusClient(uri=where.uri, token=where.secret_token, timeout=_CONNECT_S)
        return _clients[key]


def _index_type(index: VectorIndexSettings) -> str:
    kind = "hnsw" if index.kind == "auto" else index.kind
    quantizer = "" if index.quantizer in {"auto", "none"} else index.quantizer
    found = _INDEX_TYPES.get((kind, quantizer))
    if found is None:
        raise index.invalid("quantizer", "auto, none or (with hnsw or ivf) sq in Milvus")
    return found


def _built(index: VectorIndexSettings) -> dict[str, int]:
    """Return the parameters that an index is built with."""
    if index.kind == "ivf":
        return {"nlist": index.nlist or 128}
    if index.kind == "flat":
        return {}
    return {"M": index.max_connections or 16, "efConstruction": index.ef_construction or 200}


def _asked(index: VectorIndexSettings, limit: int) -> dict[str, int]:
    """Return the parameters of a search; HNSW must keep at least as many candidates as are asked for."""
    if index.kind == "ivf":
        return {"nprobe": index.nprobe or 10}
    return {} if index.kind == "flat" else {"ef": max(index.ef or 64, limit)}


def _schema(client: MilvusClient, dimensions: int) -> Any:
    schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=36)
    schema.add_field("tenant", DataType.VARCHAR, max_length=65_535)
    schema.add_field("document", DataType.VARCHAR, max_length=36)
    schema.add_field("day", DataType.INT64)
    schema.add_field("passage", DataType.JSON)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dimensions)
    return schema


def _row(passage: Passage, vector: NDArray[Any]) -> dict[str, Any]:
    return {
        "id": passage.id,
        "tenant": passage.tenant,
        "document": passage.document,
        "day": day_of(passage.date),
        "passage": kept(passage),
        "vector": vector.tolist(),
    }


def _hit(found: dict[str, Any]) -> Hit:
    entity = found["entity"]  # the distance of COSINE is the similarity
    return hit_of(found["id"], entity["passage"], entity["day"], float(found["distance"]))


def _name(collection: str) -> str:
    """Return a name that Milvus takes; settings and manifests can hold anything."""
    if not re.fullmatch(r"[A-Za-z_]\w*", collection, re.ASCII):
        raise RetrievalUnavailable(
            f"{collection!r} is no collection of Milvus; SIGHTLINE_APP_COLLECTION needs letters, digits and _"
        )
    return collection


def _listed(texts: Iterable[str]) -> str:
    return f"[{', '.join(map(_quoted, texts))}]"


def _quoted(text: str) -> str:
    """Return a text as a literal of Milvus' filter language: a tenant's name can hold anything."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
