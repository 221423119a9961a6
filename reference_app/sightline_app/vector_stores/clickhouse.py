"""ClickHouse as the vector store: one table for each version of the index, in the database ``sightline_app``.

Everything is plain HTTP, so any ClickHouse, embedded or not, will do. Searches are exact, or use a `vector_similarity`
index where SIGHTLINE_APP_INDEX is `hnsw` (`clickhouse_search`). What an INSERT was answered for is found at once.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Mapping, Sequence
from itertools import islice
from typing import Any

import httpx
from numpy.typing import NDArray

from sightline_app.corpus import Passage
from sightline_app.embeddings.protocol import Matrix
from sightline_app.errors import RetrievalUnavailable
from sightline_app.lexicon import weighted_terms
from sightline_app.settings import AppSettings, VectorIndexSettings
from sightline_app.vector_stores.clickhouse_search import (
    DATABASE,
    POSTINGS,
    ClickHouseRetriever,
    authorization,
    checked,
    table_name,
    vector_literal,
)
from sightline_app.vector_stores.freshness import NEAREST, SAME, wait_until_searchable
from sightline_app.vector_stores.protocol import Progress

_BATCH = 1000
_SATURATION, _LENGTH = 1.2, 0.75
"""BM25's k1 and b, at their usual values (Robertson and Zaragoza, "The Probabilistic Relevance Framework", 2009)."""
_QUANTIZATIONS = {"auto": "bf16", "none": "f32", "sq": "i8"}
"""Quantizer of the settings -> the index' own name of it."""


class ClickHouseStore:
    """Tables of ClickHouse.

    Raises:
        InvalidSetting: ClickHouse has no index such as the settings ask for.
    """

    backend = "clickhouse"

    def __init__(self, settings: AppSettings) -> None:
        self._settings = settings
        self._url = settings.store_url
        index = settings.vector_index
        if index.kind == "ivf":
            raise index.invalid("kind", "auto, hnsw or flat in ClickHouse: IVF is Milvus only")
        if index.quantizer not in _QUANTIZATIONS or (index.kind != "hnsw" and index.quantizer not in {"auto", "none"}):
            raise index.invalid("quantizer", "auto, none or (with SIGHTLINE_APP_INDEX=hnsw) sq in ClickHouse")
        self._by_index = index.kind == "hnsw"

    def _run(self, query: str, body: bytes = b"") -> str:
        parameters = {"query": query} if body else {}
        try:
            answer = httpx.post(
                self._url,
                params=parameters,
                content=body or query.encode(),
                headers=authorization(self._settings),
                timeout=120,
            )
        except httpx.HTTPError as exc:
            raise RetrievalUnavailable(
                f"ClickHouse at {self._url} did not answer: {exc or type(exc).__name__}"
            ) from exc
        return checked(answer, self._url).text

    def reachable(self) -> bool:
        """Tell whether the store answers now."""
        try:
            return httpx.get(f"{self._url.rstrip('/')}/ping", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False

    def count(self, collection: str) -> int:
        """Return how many passages a table holds; 0 when it is not there."""
        table = table_name(collection)
        if self._run(f"EXISTS TABLE {table}").strip() != "1":
            return 0
        return int(self._run(f"SELECT count() FROM {table}").strip() or 0)  # noqa: S608

    def name(self, version: str) -> str:
        """Return the table of an index version."""
        return f"{self._settings.collection}_{version}"

    def build(self, version: str, passages: Sequence[Passage], vectors: Matrix, progress: Progress) -> str:
        """Write all passages into a fresh table; they are found at once."""
        name = self.name(version)
        table = table_name(name)
        self._run(f"CREATE DATABASE IF NOT EXISTS {DATABASE}")
        for drop in (table, f"{table}{POSTINGS}"):
            self._run(f"DROP TABLE IF EXISTS {drop}")
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

    def insert(self, collection: str, document: str, passages: Sequence[Passage], vectors: Matrix) -> None:
        """Put the passages of an uploaded document in the place of those that it has; they are found at once.

        Their weights use the mean length of the corpus, as of the ingest.
        """
        table = table_name(collection)
        self.delete(collection, document)
        mean = float(self._run(f"SELECT comment FROM system.tables WHERE database || '.' || name = '{table}'"))  # noqa: S608
        counted = [weighted_terms(passage) for passage in passages]
        self._insert(table, passages, vectors, counted, mean, lambda done, total: None)
        self._run(f"INSERT INTO {table}{POSTINGS} {_postings(table)} WHERE document = '{_id(document)}'")
        self._wait(collection, passages, vectors)

    def delete(self, collection: str, document: str) -> None:
        """Remove the passages of an uploaded document."""
        table = table_name(collection)
        if self._run(f"EXISTS TABLE {table}").strip() != "1":
            return
        if not int(self._run(f"SELECT count() FROM {table} WHERE document = '{_id(document)}'")):  # noqa: S608
            return  # a deletion of nothing takes as long as one of something
        for name in (f"{table}{POSTINGS}", table):
            self._run(f"DELETE FROM {name} WHERE document = '{_id(document)}'")  # noqa: S608

    def _insert(  # noqa: PLR0917  # one private step of build() and insert()
        self,
        table: str,
        passages: Sequence[Passage],
        vectors: Matrix,
        counted: Sequence[Mapping[str, float]],
        mean: float,
        progress: Progress,
    ) -> None:
        rows = (
            _row(passage, vector, _bm25(weights, mean))
            for passage, vector, weights in zip(passages, vectors, counted, strict=True)
        )
        for start in range(0, len(passages), _BATCH):
            self._run(f"INSERT INTO {table} FORMAT JSONEachRow", "\n".join(islice(rows, _BATCH)).encode())
            progress(min(start + _BATCH, len(passages)), len(passages))

    def unsearchable(self, collection: str, passages: Sequence[Passage], vectors: Matrix) -> list[str]:
        """Return the ids of those passages that a search by their own vector does not find now."""
        table, finds = table_name(collection), []
        for passage, vector in zip(passages, vectors, strict=True):
            if vector.any():
                distance = f"cosineDistance(vector, {vector_literal(vector)}::Array(Float32))"
                near = f"SELECT id, {distance} AS distance FROM {table} ORDER BY distance LIMIT {NEAREST}"  # noqa: S608
                # Of many passages with one vector, any of them will do.
                found = f"countIf(toString(id) = '{_id(passage.id)}' OR distance < {SAME})"
                finds.append(f"SELECT '{_id(passage.id)}' AS asked, {found} AS found FROM ({near})")  # noqa: S608
        if not finds:
            return []
        every = " UNION ALL ".join(finds)
        missing = set(self._run(f"SELECT asked FROM ({every}) WHERE found = 0").split())  # noqa: S608
        return [each.id for each in passages if each.id in missing]

    def _wait(self, collection: str, passages: Sequence[Passage], vectors: Matrix) -> None:
        wait_until_searchable(
            "ClickHouse",
            passages,
            vectors,
            lambda sample, sampled: self.unsearchable(collection, sample, sampled),
            self._settings.index_wait_s,
        )

    def drop_others(self, keep: Collection[str]) -> None:
        """Drop the tables of other versions of the index."""
        found = self._run(f"SELECT name FROM system.tables WHERE database = '{DATABASE}'").split()  # noqa: S608
        for name in found:
            if name.startswith(f"{self._settings.collection}_") and name.removesuffix(POSTINGS) not in keep:
                self._run(f"DROP TABLE IF EXISTS {table_name(name)}")

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
