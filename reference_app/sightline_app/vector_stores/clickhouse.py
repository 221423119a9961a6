"""Hybrid search inside ClickHouse, for machines where no Weaviate is to be had.

One table a version of the index in the database ``sightline_app``, searched with ``cosineDistance`` over the app's own
vectors (exact, no index: a few milliseconds for thousands of passages). The keyword side is BM25 over a table of
postings beside it, with rarity counted among the passages that the tenant may see. Everything is plain HTTP, so any
ClickHouse, embedded or not, will do.
"""

from __future__ import annotations

import datetime
import json
import re
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import islice
from typing import Any

import httpx
from numpy.typing import NDArray

from sightline_app.analysis import expansions, terms
from sightline_app.corpus import Passage
from sightline_app.errors import RetrievalUnavailable
from sightline_app.lexicon import weighted_terms
from sightline_app.retriever import Hit, visible_to
from sightline_app.settings import AppSettings

DATABASE = "sightline_app"
_BATCH = 1000
_RELATED = 0.5
"""Weight of a related word beside one of the question's own."""
_POSTINGS = "_postings"
"""What the table of postings (term, passage, weight) adds to the name of its passages' table."""
_SATURATION, _LENGTH = 1.2, 0.75
"""BM25's k1 and b, at their usual values (Robertson and Zaragoza, "The Probabilistic Relevance Framework", 2009)."""


def _authorization(settings: AppSettings) -> dict[str, str]:
    return {"X-ClickHouse-User": settings.store_user, "X-ClickHouse-Key": settings.store_password}


def _array(values: Sequence[str]) -> str:
    """Write a ClickHouse ``Array(String)`` parameter."""
    quoted = (value.replace("\\", "\\\\").replace("'", "\\'") for value in values)
    return "[" + ",".join(f"'{value}'" for value in quoted) + "]"


def _vector(vector: NDArray[Any]) -> str:
    """Write a vector literal: numbers only, so nothing can be injected."""
    return "[" + ",".join(f"{float(value):.7g}" for value in vector) + "]"


def _checked(answer: httpx.Response, url: str) -> httpx.Response:
    if answer.status_code != 200:
        raise RetrievalUnavailable(f"ClickHouse at {url} answered {answer.status_code}: {answer.text[:200]}")
    return answer


class ClickHouseRetriever:
    """The serving side.

    Args:
        settings: where the store is.
        collection: table, from the index manifest.
    """

    backend = "clickhouse"
    operation = "hybrid"

    def __init__(self, settings: AppSettings, collection: str) -> None:
        self.collection = collection
        self._url = settings.store_url
        self._alpha = settings.alpha
        self._client = httpx.AsyncClient(timeout=settings.search_timeout_s, headers=_authorization(settings))

    async def search(
        self, question: str, vector: NDArray[Any], *, tenant: str, since: datetime.date | None, limit: int
    ) -> list[Hit]:
        """Return the best passages by cosine similarity and the weighted share of the question's stems."""
        asked = dict.fromkeys(terms(question), 1.0)
        asked |= {term: _RELATED for term in expansions(question) if term not in asked}
        known = bool(vector.any())
        if not asked and not known:
            return []
        alpha = 0.0 if not known else self._alpha if asked else 1.0
        table = f"{DATABASE}.{_table(self.collection)}"
        visible = "hasAny(tenants, {tenants:Array(String)}) AND date >= {since:Date}"
        held = f"FROM {table}{_POSTINGS} WHERE term IN {{terms:Array(String)}} AND {visible}"
        # A passage of words that the lexical embedding does not know has a vector of zeros: its cosine is no number.
        cosine = f"ifNotFinite(1 - cosineDistance(vector, {_vector(vector)}::Array(Float32)), 0)"
        similarity = cosine if known else "0"
        query = (
            f"WITH (SELECT count() FROM {table} WHERE {visible}) AS passages, rarities AS ("  # noqa: S608
            "SELECT term, log(1 + (passages - count() + 0.5) / (count() + 0.5))"
            " * {weights:Array(Float64)}[indexOf({terms:Array(String)}, term)] AS rarity"
            f" {held} GROUP BY term),"
            f" matches AS (SELECT id, sum(weight * rarity) AS words FROM (SELECT id, term, weight {held}) AS held"
            " INNER JOIN rarities USING (term) GROUP BY id),"
            f" ranked AS (SELECT id, {{alpha:Float64}} * ({similarity}) + (1 - {{alpha:Float64}})"
            " * words / greatest((SELECT max(words) FROM matches), 1e-9) AS score"
            f" FROM (SELECT id, vector FROM {table} WHERE {visible}) AS seen LEFT JOIN matches USING (id)"
            " WHERE score > 0 ORDER BY score DESC, id LIMIT {limit:UInt32})"
            " SELECT toString(id) AS id, title, text, names, module, toString(date) AS day, context,"
            f" kind, score FROM {table} AS passages INNER JOIN ranked ON passages.id = ranked.id"
            " ORDER BY score DESC, id FORMAT JSONEachRow"
        )
        parameters = {
            "param_tenants": _array(visible_to(tenant)),
            "param_since": (since or datetime.date(1970, 1, 1)).isoformat(),
            "param_limit": str(limit),
            "param_terms": _array(list(asked)),
            "param_weights": str(list(asked.values())),
            "param_alpha": str(alpha),
        }
        try:
            answer = _checked(await self._client.post(self._url, params=parameters, content=query.encode()), self._url)
        except httpx.HTTPError as exc:
            raise RetrievalUnavailable(
                f"ClickHouse at {self._url} did not answer: {exc or type(exc).__name__}"
            ) from exc
        rows = [json.loads(line) for line in answer.text.splitlines() if line.strip()]
        return [
            Hit(
                id=row["id"],
                title=row["title"],
                text=row["text"],
                names=list(row["names"]),
                module=row["module"],
                date=row["day"],
                score=float(row["score"]),
                context=row["context"],
                kind=row["kind"],
            )
            for row in rows
        ]

    async def ready(self) -> bool:
        """Tell whether the store answers now."""
        try:
            return (await self._client.get(f"{self._url.rstrip('/')}/ping")).status_code == 200
        except httpx.HTTPError:
            return False

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


def _table(name: str) -> str:
    """Return a table name that needs no quoting; settings and manifests can hold anything."""
    if not re.fullmatch(r"[A-Za-z_]\w*", name):
        raise RetrievalUnavailable(f"{name!r} is no table name; SIGHTLINE_APP_COLLECTION needs letters, digits and _")
    return name


class ClickHouseIndex:
    """The ingest side: one table for each version of the index."""

    backend = "clickhouse"

    def __init__(self, settings: AppSettings) -> None:
        self._settings = settings
        self._url = settings.store_url

    def _run(self, query: str, body: bytes = b"") -> str:
        parameters = {"query": query} if body else {}
        try:
            answer = httpx.post(
                self._url,
                params=parameters,
                content=body or query.encode(),
                headers=_authorization(self._settings),
                timeout=120,
            )
        except httpx.HTTPError as exc:
            raise RetrievalUnavailable(
                f"ClickHouse at {self._url} did not answer: {exc or type(exc).__name__}"
            ) from exc
        return _checked(answer, self._url).text

    def reachable(self) -> bool:
        """Tell whether the store answers now."""
        try:
            return httpx.get(f"{self._url.rstrip('/')}/ping", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False

    def count(self, collection: str) -> int:
        """Return how many passages a table holds; 0 when it is not there."""
        table = f"{DATABASE}.{_table(collection)}"
        if self._run(f"EXISTS TABLE {table}").strip() != "1":
            return 0
        return int(self._run(f"SELECT count() FROM {table}").strip() or 0)  # noqa: S608

    def name(self, version: str) -> str:
        """Return the table of an index version."""
        return f"{self._settings.collection}_{version}"

    def build(
        self, version: str, passages: Sequence[Passage], vectors: NDArray[Any], progress: Callable[[int, int], None]
    ) -> str:
        """Write all passages into a fresh table.

        Returns:
            The table's name.

        Raises:
            RetrievalUnavailable: the store did not answer or refused.
        """
        name = self.name(version)
        table = f"{DATABASE}.{_table(name)}"
        self._run(f"CREATE DATABASE IF NOT EXISTS {DATABASE}")
        for drop in (table, f"{table}{_POSTINGS}"):
            self._run(f"DROP TABLE IF EXISTS {drop}")
        counted = [weighted_terms(passage) for passage in passages]
        mean = sum(sum(each.values()) for each in counted) / max(len(counted), 1)
        self._run(
            f"CREATE TABLE {table} (id UUID, title String, text String, names Array(String), module String, date Date,"
            " context String, kind LowCardinality(String),"
            " tenants Array(LowCardinality(String)), document String, vector Array(Float32),"
            " terms Array(LowCardinality(String)), weights Array(Float32)) ENGINE = MergeTree ORDER BY id"
            f" COMMENT '{mean}'"
        )
        self._insert(table, passages, vectors, counted, mean, progress)
        self._run(f"CREATE TABLE {table}{_POSTINGS} ENGINE = MergeTree ORDER BY term AS {_postings(table)}")
        return name

    def insert(self, collection: str, document: str, passages: Sequence[Passage], vectors: NDArray[Any]) -> None:
        """Put the passages of an uploaded document in the place of those that it has; they are found at once.

        Their weights use the mean length of the corpus, as of the ingest.

        Raises:
            RetrievalUnavailable: the store did not answer or refused.
        """
        table = f"{DATABASE}.{_table(collection)}"
        self.delete(collection, document)
        mean = float(self._run(f"SELECT comment FROM system.tables WHERE database || '.' || name = '{table}'"))  # noqa: S608
        counted = [weighted_terms(passage) for passage in passages]
        self._insert(table, passages, vectors, counted, mean, lambda done, total: None)
        self._run(f"INSERT INTO {table}{_POSTINGS} {_postings(table)} WHERE document = '{_id(document)}'")

    def delete(self, collection: str, document: str) -> None:
        """Remove the passages of an uploaded document.

        Raises:
            RetrievalUnavailable: the store did not answer or refused.
        """
        table = f"{DATABASE}.{_table(collection)}"
        if self._run(f"EXISTS TABLE {table}").strip() != "1":
            return
        for name in (f"{table}{_POSTINGS}", table):
            self._run(f"DELETE FROM {name} WHERE document = '{_id(document)}'")  # noqa: S608

    def _insert(  # noqa: PLR0917  # one private step of build() and insert()
        self,
        table: str,
        passages: Sequence[Passage],
        vectors: NDArray[Any],
        counted: Sequence[Mapping[str, float]],
        mean: float,
        progress: Callable[[int, int], None],
    ) -> None:
        rows = (
            _row(passage, vector, _bm25(weights, mean))
            for passage, vector, weights in zip(passages, vectors, counted, strict=True)
        )
        for start in range(0, len(passages), _BATCH):
            self._run(f"INSERT INTO {table} FORMAT JSONEachRow", "\n".join(islice(rows, _BATCH)).encode())
            progress(min(start + _BATCH, len(passages)), len(passages))

    def drop_others(self, keep: Collection[str]) -> None:
        """Drop tables of older index versions."""
        found = self._run(f"SHOW TABLES FROM {DATABASE}").split()
        for name in found:
            if name.startswith(f"{self._settings.collection}_") and name.removesuffix(_POSTINGS) not in keep:
                self._run(f"DROP TABLE IF EXISTS {DATABASE}.{_table(name)}")


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
