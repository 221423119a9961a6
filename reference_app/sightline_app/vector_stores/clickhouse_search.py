"""Hybrid search inside ClickHouse, exact or by its `vector_similarity` index, over plain HTTP.

The keyword side is BM25 over a table of postings beside the passages, with rarity counted among the passages that the
tenant may see. Exact search compares every passage that the tenant may see (a few milliseconds for thousands). With
HNSW, the nearest passages of the index and those with the most words are the candidates, which are scored exactly.

Source: https://clickhouse.com/docs/engines/table-engines/mergetree-family/annindexes
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Sequence
from typing import Any

import httpx
from numpy.typing import NDArray

from sightline_app.analysis import expansions, terms
from sightline_app.errors import RetrievalUnavailable
from sightline_app.retriever import Hit, visible_to
from sightline_app.settings import AppSettings
from sightline_app.vector_stores.connection import translated

DATABASE = "sightline_app"
POSTINGS = "_postings"
"""What the table of postings (term, passage, weight) adds to the name of its passages' table."""
_RELATED = 0.5
"""Weight of a related word beside one of the question's own."""
_VISIBLE = "hasAny(tenants, {tenants:Array(String)}) AND date >= {since:Date}"


def authorization(settings: AppSettings) -> dict[str, str]:
    """Return the headers that say who asks."""
    return {"X-ClickHouse-User": settings.store_user, "X-ClickHouse-Key": settings.store_password}


def checked(answer: httpx.Response, url: str) -> httpx.Response:
    """Return an answer, or raise RetrievalUnavailable with what ClickHouse says."""
    if answer.status_code != 200:
        raise RetrievalUnavailable(f"ClickHouse at {url} answered {answer.status_code}: {answer.text[:200]}")
    return answer


def table_name(name: str) -> str:
    """Return a table with its database; names that need quoting are refused: settings and manifests can hold any."""
    if not re.fullmatch(r"[A-Za-z_]\w*", name):
        raise RetrievalUnavailable(f"{name!r} is no table name; SIGHTLINE_APP_COLLECTION needs letters, digits and _")
    return f"{DATABASE}.{name}"


def vector_literal(vector: NDArray[Any]) -> str:
    """Write a vector: numbers only, so nothing can be injected."""
    return "[" + ",".join(f"{float(value):.7g}" for value in vector) + "]"


def _array(values: Sequence[str]) -> str:
    """Write a ClickHouse ``Array(String)`` parameter."""
    quoted = (value.replace("\\", "\\\\").replace("'", "\\'") for value in values)
    return "[" + ",".join(f"'{value}'" for value in quoted) + "]"


class ClickHouseRetriever:
    """The reading side of a table.

    Args:
        settings: where the store is, and the weight of the vector side.
        collection: table, from the index manifest.
        by_index: whether the table has an HNSW index to be used.
    """

    backend = "clickhouse"
    operation = "hybrid"

    def __init__(self, settings: AppSettings, collection: str, *, by_index: bool) -> None:
        self.collection = collection
        self._by_index = by_index
        self._ef = settings.vector_index.ef
        self._url = settings.store_url
        self._alpha = settings.alpha
        self._client = httpx.AsyncClient(timeout=settings.search_timeout_s, headers=authorization(settings))

    async def search(
        self, question: str, vector: NDArray[Any], *, tenant: str, since: datetime.date | None, limit: int
    ) -> list[Hit]:
        """Return the best passages by cosine similarity and the weighted share of the question's stems.

        The index is searched first and filtered then, so it can have too few passages of a tenant: then the exact
        search answers.
        """
        asked = dict.fromkeys(terms(question), 1.0)
        asked |= {term: _RELATED for term in expansions(question) if term not in asked}
        known = bool(vector.any())
        if not asked and not known:
            return []
        parameters = {
            "param_tenants": _array(visible_to(tenant)),
            "param_since": (since or datetime.date(1970, 1, 1)).isoformat(),
            "param_limit": str(limit),
            "param_terms": _array(list(asked)),
            "param_weights": str(list(asked.values())),
            "param_alpha": str(0.0 if not known else self._alpha if asked else 1.0),
        }
        if known and self._by_index:
            if self._ef is not None:
                parameters["hnsw_candidate_list_size_for_search"] = str(self._ef)
            rows = await self._rows(_statement(self.collection, vector, by_index=True), parameters)
            if rows and int(rows[0]["near_found"]) >= limit:
                return [_hit(row) for row in rows]
        rows = await self._rows(_statement(self.collection, vector, by_index=False), parameters)
        return [_hit(row) for row in rows]

    async def _rows(self, statement: str, parameters: dict[str, str]) -> list[dict[str, Any]]:
        with translated(f"ClickHouse at {self._url}", (httpx.HTTPError,)):
            answer = await self._client.post(self._url, params=parameters, content=statement.encode())
        return [json.loads(line) for line in checked(answer, self._url).text.splitlines() if line.strip()]

    async def ready(self) -> bool:
        """Tell whether the store answers now."""
        try:
            return (await self._client.get(f"{self._url.rstrip('/')}/ping")).status_code == 200
        except httpx.HTTPError:
            return False

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


def _statement(collection: str, vector: NDArray[Any], *, by_index: bool) -> str:
    """Return the statement of a search; `near_found` in its rows is how many passages the index had."""
    passages = table_name(collection)
    held = f"FROM {passages}{POSTINGS} WHERE term IN {{terms:Array(String)}} AND {_VISIBLE}"
    distance = f"cosineDistance(vector, {vector_literal(vector)}::Array(Float32))"
    # What a scalar subquery has a part in can be NULL, and a passage without a match has its default: hence ifNull.
    # A passage of words that the lexical embedding does not know has a vector of zeros: its cosine is no number.
    similarity = f"ifNotFinite(1 - {distance}, 0)" if vector.any() else "0"
    near = f" near AS (SELECT id FROM {passages} WHERE {_VISIBLE} ORDER BY {distance} LIMIT {{limit:UInt32}})," if by_index else ""  # fmt: skip  # noqa: E501, S608
    worded = "SELECT id FROM matches ORDER BY words DESC, id LIMIT {limit:UInt32}"
    candidates = f" AND (id IN (SELECT id FROM near) OR id IN ({worded}))" if by_index else ""  # noqa: S608
    return (
        f"WITH (SELECT count() FROM {passages} WHERE {_VISIBLE}) AS passages, rarities AS ("  # noqa: S608
        "SELECT term, log(1 + (passages - count() + 0.5) / (count() + 0.5))"
        " * {weights:Array(Float64)}[indexOf({terms:Array(String)}, term)] AS rarity"
        f" {held} GROUP BY term),"
        f" matches AS (SELECT id, sum(weight * rarity) AS words FROM (SELECT id, term, weight {held}) AS held"
        f" INNER JOIN rarities USING (term) GROUP BY id),{near}"
        f" ranked AS (SELECT id, {{alpha:Float64}} * ({similarity}) + (1 - {{alpha:Float64}})"
        " * ifNull(words, 0) / greatest(ifNull((SELECT max(words) FROM matches), 0), 1e-9) AS score"
        f" FROM (SELECT id, vector FROM {passages} WHERE {_VISIBLE}{candidates}) AS seen LEFT JOIN matches USING (id)"
        " WHERE score > 0 ORDER BY score DESC, id LIMIT {limit:UInt32})"
        " SELECT toString(id) AS id, title, text, names, module, toString(date) AS day, context,"
        f" kind, score, {'(SELECT count() FROM near)' if by_index else '0'} AS near_found"
        f" FROM {passages} AS passages INNER JOIN ranked ON passages.id = ranked.id"
        " ORDER BY score DESC, id FORMAT JSONEachRow"
    )


def _hit(row: dict[str, Any]) -> Hit:
    return Hit(
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
