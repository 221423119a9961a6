"""What a search asks of a vector store and what it gets: the reading side of `sightline_app.vector_stores`.

Tenants share the public corpus. One collection holds everything, every passage names its tenant, and every query
filters on "this tenant or public". The filter is put on in the store's own file, in the only place that queries, and
can't be left out by a caller.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

PUBLIC = "public"
"""Tenant name of what everybody may see."""


@dataclass(frozen=True)
class Hit:
    """A passage that was found; ``score`` is higher for better, in the backend's own scale."""

    id: str
    title: str
    text: str
    names: list[str]
    module: str
    date: str
    """First day of what it tells; empty where the search did not ask for it."""
    score: float
    context: str = ""
    kind: str = "text"

    def as_document(self, content_chars: int = 2000) -> dict[str, Any]:
        """Return the form in which spans hold retrieved documents."""
        return {"id": self.id, "score": round(self.score, 6), "title": self.title, "content": self.text[:content_chars]}


class Retriever(Protocol):
    """Finds passages; one instance serves all requests."""

    backend: str
    """``weaviate``, ``milvus``, ``pinecone`` or ``clickhouse``: `db.system.name` on spans."""
    operation: str
    """``hybrid``: vectors beside words; else the store's own name of a search by vectors alone."""
    collection: str
    """Physical collection, table or namespace."""

    async def search(
        self, question: str, vector: NDArray[Any], *, tenant: str, since: datetime.date | None, limit: int
    ) -> list[Hit]:
        """Return the best passages that the tenant may see, best first.

        Args:
            question: its words; '' searches by the vector alone. A store without keyword search does not look at it.
            vector: float32[dimensions]; zeros search by words alone, and find nothing in such a store.
            tenant: who asks; '' sees what is public.
            since: leaves out passages whose date is before.
            limit: most passages.

        Raises:
            RetrievalUnavailable: the backend did not answer in time.
        """

    async def ready(self) -> bool:
        """Tell whether the backend answers now."""

    async def close(self) -> None:
        """Let go of connections."""


def visible_to(tenant: str) -> list[str]:
    """Return the tenants whose passages a tenant may see."""
    return [PUBLIC] if tenant in {"", PUBLIC} else [PUBLIC, tenant]
