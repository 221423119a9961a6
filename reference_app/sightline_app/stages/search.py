"""Search: asks the vector store."""

from __future__ import annotations

import datetime
from typing import Any

import sightline
from sightline import semconv
from sightline_app.embeddings import Embedded
from sightline_app.retriever import Hit, Retriever, visible_to
from sightline_app.settings import AppSettings


class SearchStage:
    """Searches one index.

    Args:
        settings: collection, weights and how many candidates.
        retriever: the vector store.
        index_attributes: what says on spans which index is searched.
    """

    def __init__(self, settings: AppSettings, retriever: Retriever, index_attributes: dict[str, Any]) -> None:
        self._settings = settings
        self._retriever = retriever
        self._index_attributes = index_attributes

    @sightline.retrieval(capture="recorded")
    async def search(
        self, query: str, embedded: Embedded, tenant: str = "public", since: datetime.date | None = None
    ) -> list[Hit]:
        """Return the candidates, best first."""
        settings, retriever = self._settings, self._retriever
        wanted = f"tenant in ({', '.join(visible_to(tenant))})" + (f" and date >= {since}" if since else "")
        sightline.annotate(
            {
                semconv.GEN_AI_DATA_SOURCE_ID: settings.collection,
                semconv.GEN_AI_REQUEST_TOP_K: settings.candidates,
                semconv.RETRIEVAL_QUERY_TEXT: query,
                semconv.RETRIEVAL_ALPHA: settings.alpha if retriever.operation == "hybrid" else 1.0,
                semconv.RETRIEVAL_FILTER: wanted,
                semconv.DB_SYSTEM_NAME: retriever.backend,
                semconv.DB_COLLECTION_NAME: retriever.collection,
                semconv.DB_OPERATION_NAME: retriever.operation,
                semconv.DB_NAMESPACE: _namespace(retriever, tenant),
                **self._index_attributes,
            }
        )
        hits = await retriever.search(query, embedded.vector, tenant=tenant, since=since, limit=settings.candidates)
        sightline.annotate({semconv.DB_RESPONSE_RETURNED_ROWS: len(hits)})
        # The first ones tell enough; all candidates with their texts would make a span of 50 kB.
        sightline.record_documents([hit.as_document(400) for hit in hits[: 4 * settings.top_k]])
        return hits


def _namespace(retriever: Retriever, tenant: str) -> str:
    """Return what the store keeps the collection in: ClickHouse's and Milvus' database, Pinecone's namespace.

    Weaviate has none; the tenant stands there, as the library's own instrumentation of it has it.
    """
    own = {"weaviate": tenant, "milvus": "default", "pinecone": retriever.collection}
    return own.get(retriever.backend, "sightline_app")
