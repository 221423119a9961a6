"""What the application needs of a vector store. The reading side is `sightline_app.retriever.Retriever`.

A collection belongs to one version of the index. It holds passages with their vectors; each passage belongs to one
tenant, and `public` is for all. One contract suite holds every store to what is said here
(`tests/integration/sightline_app/test_vector_stores.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from sightline_app.corpus import Passage
from sightline_app.embeddings.protocol import Matrix
from sightline_app.retriever import Retriever

Progress = Callable[[int, int], None]
"""Called with what is done and what there is in all; what is done has been accepted by the store."""


class VectorStore(Protocol):
    """One vector store. Methods block, and one thread at a time calls them.

    Every method that reaches the store raises RetrievalUnavailable where it does not answer or refuses, except
    `reachable`.
    """

    backend: str
    """``weaviate``, ``milvus``, ``pinecone`` or ``clickhouse``: `db.system.name` on spans."""

    def reachable(self) -> bool:
        """Tell whether it answers now."""

    def count(self, collection: str) -> int:
        """Return how many passages a collection holds; 0 where it is not there."""

    def build(self, version: str, passages: Sequence[Passage], vectors: Matrix, progress: Progress) -> str:
        """Write passages into a fresh collection, in the place of one of that version, and wait until they are found.

        Args:
            version: letters and digits; collections of different versions stand beside each other.
            passages: without two of one id; none is allowed.
            vectors: float32[n_passages, dimensions], rows of unit length or zeros.
            progress: called after each batch.

        Returns:
            The collection's name.

        Raises:
            InvalidSetting: the store has no such index.
            IndexStale: they are stored, and not found in time.
        """

    def insert(self, collection: str, passages: Sequence[Passage], vectors: Matrix) -> None:
        """Put the passages of uploaded documents in the place of those that these have, and wait until they are found.

        Args:
            collection: from `build`.
            passages: all of each document, which they name; their ids are their document's own.
            vectors: float32[n_passages, dimensions].

        Raises:
            IndexStale: they are stored, and not found in time.
        """

    def delete(self, collection: str, *documents: str) -> None:
        """Remove the passages of uploaded documents, by their ids; no document and no collection are no error."""

    def unsearchable(self, collection: str, passages: Sequence[Passage], vectors: Matrix) -> list[str]:
        """Return the ids of those passages that a search by their own vector does not find now.

        An index can lag behind what was stored. Passages with a vector of zeros are left out: no search finds them.
        """

    def drop_others(self, keep: Collection[str]) -> None:
        """Drop the collections of other versions of the index."""

    def retriever(self, collection: str) -> Retriever:
        """Return the reading side of a collection."""
