"""Milvus as the vector store: a server, or Milvus Lite in this process, in a folder whose name ends in `.db`.

Searches are by vectors alone. They read with the consistency level Strong, so that what was inserted is found; who sets
another level on a server is told by `unsearchable` what is missing.

Milvus Lite keeps a lock on its folder: while `sightline-app serve` runs, `sightline-app ingest` cannot open it.

Source: https://milvus.io/docs/index.md, https://milvus.io/docs/consistency.md
"""

from __future__ import annotations

import contextlib
import datetime
import logging
import re
import threading
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from pymilvus import DataType, MilvusClient, MilvusException  # type: ignore[import-untyped]  # has none

from sightline_app.corpus import Passage
from sightline_app.embeddings.protocol import Matrix
from sightline_app.errors import RetrievalUnavailable
from sightline_app.retriever import Hit
from sightline_app.settings import AppSettings, VectorIndexSettings
from sightline_app.vector_stores.freshness import NEAREST, SAME, wait_until_searchable
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
_TEXTS = ("title", "text", "module", "context", "kind")
_clients: dict[tuple[str, str], MilvusClient] = {}
"""One connection to each place: Milvus Lite can be opened once."""
_connecting = threading.Lock()


class MilvusStore:
    """Collections of Milvus.

    Raises:
        InvalidSetting: Milvus has no index such as the settings ask for, or cannot search by words alone.
    """

    backend = "milvus"

    def __init__(self, settings: AppSettings) -> None:
        self._settings = settings
        self._index_type = _index_type(settings.vector_index)

    def _client(self) -> MilvusClient:
        where = self._settings.milvus
        key = (where.uri, where.secret_token)
        with _connecting:
            if key not in _clients:
                if where.uri.endswith(".db"):
                    Path(where.uri).resolve().parent.mkdir(parents=True, exist_ok=True)
                _clients[key] = MilvusClient(uri=where.uri, token=where.secret_token, timeout=_CONNECT_S)
        return _clients[key]

    @contextlib.contextmanager
    def _asking(self) -> Iterator[MilvusClient]:
        """Yield a connected client; its failures become ours."""
        try:
            yield self._client()
        except (MilvusException, OSError) as exc:
            raise RetrievalUnavailable(f"Milvus at {self._settings.milvus.uri}: {_brief(exc)}") from exc

    def reachable(self) -> bool:
        """Tell whether it answers now."""
        try:
            with self._asking() as client:
                client.list_collections(timeout=_CONNECT_S)
        except RetrievalUnavailable as exc:
            logging.getLogger("sightline.app").debug("%s", exc)
            return False
        return True

    def count(self, collection: str) -> int:
        """Return how many passages a collection holds; 0 when it is not there."""
        with self._asking() as client:
            if not client.has_collection(_name(collection)):
                return 0
            found = client.query(collection, filter="", output_fields=["count(*)"], consistency_level="Strong")
            return int(found[0]["count(*)"])

    def build(self, version: str, passages: Sequence[Passage], vectors: Matrix, progress: Progress) -> str:
        """Write all passages into a fresh collection, build its index and wait until they are found."""
        name = _name(f"{self._settings.collection}_{version}")
        with self._asking() as client:
            if client.has_collection(name):
                client.drop_collection(name)
            client.create_collection(name, schema=_schema(client, vectors.shape[1]), consistency_level="Strong")
            self._write(client, name, passages, vectors, progress)
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

    def insert(self, collection: str, document: str, passages: Sequence[Passage], vectors: Matrix) -> None:
        """Put the passages of an uploaded document in the place of those that it has, and wait until they are found."""
        self.delete(collection, document)
        with self._asking() as client:
            self._write(client, collection, passages, vectors, lambda done, total: None)
        self._wait(collection, passages, vectors)

    def delete(self, collection: str, document: str) -> None:
        """Remove the passages of an uploaded document."""
        with self._asking() as client:
            if client.has_collection(_name(collection)):
                client.delete(collection, filter=f"document == {_quoted(document)}")

    def unsearchable(self, collection: str, passages: Sequence[Passage], vectors: Matrix) -> list[str]:
        """Return the ids of those passages that a search by their own vector does not find now."""
        missing = []
        for passage, vector in zip(passages, vectors, strict=True):
            if not vector.any():
                continue
            found = self._search(collection, vector, "", NEAREST, ["id"])
            # Of many passages with one vector, any of them will do.
            if not any(each["id"] == passage.id or 1 - each["distance"] < SAME for each in found):
                missing.append(passage.id)
        return missing

    def drop_others(self, keep: Collection[str]) -> None:
        """Drop the collections of other versions of the index."""
        with self._asking() as client:
            for name in client.list_collections():
                if name.startswith(f"{self._settings.collection}_") and name not in keep:
                    client.drop_collection(name)

    def retriever(self, collection: str) -> ThreadedRetriever:
        """Return the search by vectors."""
        check_words(self._settings, self.backend)

        def nearest(vector: NDArray[Any], tenants: list[str], since: datetime.date | None, limit: int) -> list[Hit]:
            wanted = f"tenant in [{', '.join(_quoted(each) for each in tenants)}]"
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
        with self._asking() as client:
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

    def _write(
        self, client: MilvusClient, name: str, passages: Sequence[Passage], vectors: Matrix, progress: Progress
    ) -> None:
        for start in range(0, len(passages), _BATCH):
            rows = zip(passages[start : start + _BATCH], vectors[start : start + _BATCH], strict=True)
            client.upsert(name, [_row(passage, vector) for passage, vector in rows])
            progress(min(start + _BATCH, len(passages)), len(passages))

    def _wait(self, collection: str, passages: Sequence[Passage], vectors: Matrix) -> None:
        wait_until_searchable(
            "Milvus",
            passages,
            vectors,
            lambda sample, sampled: self.unsearchable(collection, sample, sampled),
            self._settings.index_wait_s,
        )


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
        "day": datetime.date.fromisoformat(passage.date).toordinal(),
        "passage": {"names": passage.names, **{name: getattr(passage, name) for name in _TEXTS}},
        "vector": vector.tolist(),
    }


def _hit(found: dict[str, Any]) -> Hit:
    entity = found["entity"]
    passage = entity["passage"]
    return Hit(
        id=found["id"],
        names=list(passage["names"]),
        date=datetime.date.fromordinal(entity["day"]).isoformat(),
        score=float(found["distance"]),  # of COSINE: the similarity
        **{name: passage[name] for name in _TEXTS},
    )


def _name(collection: str) -> str:
    """Return a name that Milvus takes; settings and manifests can hold anything."""
    if not re.fullmatch(r"[A-Za-z_]\w*", collection, re.ASCII):
        raise RetrievalUnavailable(
            f"{collection!r} is no collection of Milvus; SIGHTLINE_APP_COLLECTION needs letters, digits and _"
        )
    return collection


def _quoted(text: str) -> str:
    """Return a text as a literal of Milvus' filter language: a tenant's name can hold anything."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _brief(exc: BaseException) -> str:
    return " ".join(str(exc).split())[:200] or type(exc).__name__
