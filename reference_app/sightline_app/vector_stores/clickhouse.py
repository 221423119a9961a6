"""ClickHouse as the vector store: one table for each version of the index, in the database ``sightline_app``.

Everything is plain HTTP, so any ClickHouse, embedded or not, will do. Searches are exact, or use a `vector_similarity`
index where SIGHTLINE_APP_INDEX is `hnsw` (`clickhouse_search`). What an INSERT was answered for is found at once.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import httpx
from numpy.typing import NDArray

from sightline_app.corpus import Passage
from sightline_app.embeddings.protocol import Matrix
from sightline_app.errors import RetrievalUnavailable
from sightline_app.lexicon import weighted_terms
from sightline_app.settings import AppSettings, VectorIndexSettings
from sightline_app.vector_stores.base import BaseStore, batches
from sightline_app.vector_stores.clickhouse_search import (
    DATABASE,
    POSTINGS,
    ClickHouseRetriever,
    authorization,
    checked,
    table_name,
    vector_literal,
)
from sightline_app.vector_stores.connection import Connection
from sightline_app.vector_stores.freshness import NEAREST, SAME
from sightline_app.vector_stores.protocol import Progress

_BATCH = 1000
_READY_S, _WRITE_S = 2.0, 120.0
_SATURATION, _LENGTH = 1.2, 0.75
"""BM25's k1 and b, at their usual values (Robertson and Zaragoza, "The Probabilistic Relevance Framework", 2009)."""
_QUANTIZATIONS = {"auto": "bf16", "none": "f32", "sq": "i8"}
"""Quantizer of the settings -> the index' own name of it."""


class ClickHouseStore(BaseStore):
    """Tables of ClickHouse.

    Raises:
        InvalidSetting: ClickHouse has no index such as the settings ask for.
    """

    backend, title = "clickhouse", "ClickHouse"

    def __init__(self, settings: AppSettings) -> None:
        super().__init__(settings)
        self._url = settings.store_url
        index = settings.vector_index
        if index.kind == "ivf":
            raise index.invalid("kind", "auto, hnsw or flat in ClickHouse: IVF is Milvus only")
        if index.quantizer not in _QUANTIZATIONS or (index.kind != "hnsw" and index.quantizer not in {"auto", "none"}):
            raise index.invalid("quantizer", "auto, none or (with SIGHTLINE_APP_INDEX=hnsw) sq in ClickHouse")
        self._by_index = index.kind == "hnsw"
        self._connection = Connection(
            f"ClickHouse at {self._url}",
            lambda: httpx.Client(headers=authorization(settings), timeout=_WRITE_S),
            (httpx.HTTPError,),
            disconnect=lambda client: client.close(),
        )

    def _run(self, query: str, body: bytes = b"") -> str:
        parameters = {"query": query} if body else {}
        with self._connection.asking() as client:
            return checked(client.post(self._url, params=parameters, content=body or query.encode()), self._url).text

    def reachable(self) -> bool:
        """Tell whether the store answers now."""
        try:
            with self._connection.asking() as client:
                return client.get(f"{self._url.rstrip('/')}/ping", timeout=_READY_S).is_success
        except RetrievalUnavailable:
            return False

    def count(self, collection: str) -> int:
        """Return how many passages a table holds; 0 when it is not there."""
        table = table_name(collection)
        if self._run(f"EXISTS TABLE {table}").strip() != "1":
            return 0
        return int(self._run(f"SELECT count() FROM {table}").strip() or 0)  # noqa: S608

    def build(self, version: str, passages: Sequence[Passage], vectors: Matrix, progress: Progress) -> str:
        """Write all passages into a fresh table; they are found at once."""
        name = self.name(version)
        table = table_name(name)
        self._run(f"CREATE DATABASE IF NOT EXISTS {DATABASE}")
        self._drop(name)
        counted = [weighted_terms(passage) for passage in passages]
        mean = sum(sum(each.values()) for each in counted) / max(len(counted), 1)
        index = _index(self._settings.vector_index, vectors.shape[1]) if self._by_index else ""
        self._run(
            f"CREATE TABLE {table} (id UUID, title String, text String, names Array(String), module String,"
            " date Date, context String, kind LowCardinality(String), tenants Array(LowCardinality(String)),"
            " document String, vector Array(Float32), terms Array(LowCardinality(String)), weights Array(Float32)"
            f"{index}) ENGINE = MergeTree ORDER BY id COMMENT '{mean}'"
        )
        self._insert(table, passages, vectors, counted, mean, progress)
        if self._by_index:
            self._run(f"OPTIMIZE TABLE {table} FINAL")  # one graph, not one for each batch
        postings = f"CREATE TABLE {table}{POSTINGS} ENGINE = MergeTree ORDER BY term AS "
        self._run(postings + _postings(table))
        self._wait(name, passages, vectors)
        return name

    def _write(self, collection: str, passages: Sequence[Passage], vectors: Matrix, progress: Progress) -> None:
        """Add the passages of documents; their weights use the mean length of the corpus, as of the ingest."""
        table = table_name(collection)
        mean = float(self._run(f"SELECT comment FROM system.tables WHERE database || '.' || name = '{table}'"))  # noqa: S608
        counted = [weighted_terms(passage) for passage in passages]
        self._insert(table, passages, vectors, counted, mean, progress)
        theirs = _of_documents(dict.fromkeys(passage.document for passage in passages))
        self._run(f"INSERT INTO {table}{POSTINGS} {_postings(table)} WHERE {theirs}")

    def delete(self, collection: str, *documents: str) -> None:
        """Remove the passages of uploaded documents."""
        table = table_name(collection)
        if not documents or self._run(f"EXISTS TABLE {table}").strip() != "1":
            return
        theirs = _of_documents(documents)
        if not int(self._run(f"SELECT count() FROM {table} WHERE {theirs}")):  # noqa: S608
            return  # a deletion of nothing takes as long as one of something
        for name in (f"{table}{POSTINGS}", table):
            self._run(f"DELETE FROM {name} WHERE {theirs}")  # noqa: S608

    def _insert(  # noqa: PLR0917  # one private step of build() and insert()
        self,
        table: str,
        passages: Sequence[Passage],
        vectors: Matrix,
        counted: Sequence[Mapping[str, float]],
        mean: float,
        progress: Progress,
    ) -> None:
        weights = iter(counted)
        for rows in batches(passages, vectors, _BATCH, progress):
            told = [_row(passage, vector, _bm25(next(weights), mean)) for passage, vector in rows]
            self._run(f"INSERT INTO {table} FORMAT JSONEachRow", "\n".join(told).encode())

    def _found(self, collection: str, wanted: Sequence[tuple[str, NDArray[Any]]]) -> set[str]:
        table, finds = table_name(collection), []
        for passage, vector in wanted:
            distance = f"cosineDistance(vector, {vector_literal(vector)}::Array(Float32))"
            near = f"SELECT id, {distance} AS distance FROM {table} ORDER BY distance LIMIT {NEAREST}"  # noqa: S608
            found = f"countIf(toString(id) = '{_id(passage)}' OR distance < {SAME})"
            finds.append(f"SELECT '{_id(passage)}' AS asked, {found} AS found FROM ({near})")  # noqa: S608
        return set(self._run(f"SELECT asked FROM ({' UNION ALL '.join(finds)}) WHERE found > 0").split())  # noqa: S608

    def _names(self) -> Iterable[str]:
        names = self._run(f"SELECT name FROM system.tables WHERE database = '{DATABASE}'").split()  # noqa: S608
        return {name.removesuffix(POSTINGS) for name in names}

    def _drop(self, collection: str) -> None:
        for table in (table_name(collection), table_name(f"{collection}{POSTINGS}")):
            self._run(f"DROP TABLE IF EXISTS {table}")

    def retriever(self, collection: str) -> ClickHouseRetriever:
        """Return the hybrid search."""
        return ClickHouseRetriever(self._settings, collection, by_index=self._by_index)


def _index(index: VectorIndexSettings, dimensions: int) -> str:
    """Return the clause of a table that declares its vector index; a graph for each part of the table."""
    shape = f"'hnsw', 'cosineDistance', {dimensions}, '{_QUANTIZATIONS[index.quantizer]}'"
    sizes = f"{index.max_connections or 32}, {index.ef_construction or 128}"  # ClickHouse's own defaults
    return f", INDEX near vector TYPE vector_similarity({shape}, {sizes}) GRANULARITY 100000000"


def _postings(table: str) -> str:
    """Return the query that makes the postings of a table's passages; a condition may follow it."""
    return (
        f"SELECT term, id, tenants, date, weight, document FROM {table}"  # noqa: S608
        " ARRAY JOIN terms AS term, weights AS weight"
    )


def _of_documents(documents: Iterable[str]) -> str:
    """Return the condition that passages of some documents meet."""
    return f"document IN ({', '.join(repr(_id(each)) for each in documents)})"


def _id(document: str) -> str:
    """Return the id of a document, which needs no quoting."""
    return str(uuid.UUID(document))


def _bm25(weights: Mapping[str, float], mean: float) -> dict[str, float]:
    """Return term -> BM25 weight in a passage, before rarity; ``mean`` is the corpus' mean of the sum of weights."""
    norm = _SATURATION * (1 - _LENGTH + _LENGTH * sum(weights.values()) / max(mean, 1e-9))
    return {term: weight * (_SATURATION + 1) / (weight + norm) for term, weight in weights.items()}


def _row(passage: Passage, vector: NDArray[Any], weights: Mapping[str, float]) -> str:
    return json.dumps(
        {
            "id": passage.id,
            "title": passage.title,
            "text": passage.text,
            "names": passage.names,
            "module": passage.module,
            "date": passage.date,
            "context": passage.context,
            "kind": passage.kind,
            "tenants": [passage.tenant],
            "document": passage.document,
            "vector": [round(float(value), 7) for value in vector],
            "terms": list(weights),
            "weights": [round(weight, 5) for weight in weights.values()],
        }
    )
