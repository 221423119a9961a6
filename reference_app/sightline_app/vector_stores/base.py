"""What every vector store does alike: names of collections, the order of a write, and the check that it is found."""

from __future__ import annotations

import abc
import datetime
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from sightline_app.corpus import Passage
from sightline_app.embeddings.protocol import Matrix
from sightline_app.retriever import Hit
from sightline_app.settings import AppSettings
from sightline_app.vector_stores.freshness import wait_until_searchable
from sightline_app.vector_stores.protocol import Progress

_TEXTS = ("title", "text", "module", "context", "kind")


class BaseStore(abc.ABC):
    """A `VectorStore` but for what its server is asked; see there for what the methods promise.

    Args:
        settings: the prefix of the collections' names, and how long a write waits.
    """

    backend: str
    title: str
    """Name for people."""

    def __init__(self, settings: AppSettings) -> None:
        self._settings = settings

    def name(self, version: str) -> str:
        """Return the collection of an index version."""
        return f"{self._settings.collection}_{version}"

    def insert(self, collection: str, passages: Sequence[Passage], vectors: Matrix) -> None:
        """Put the passages of uploaded documents in the place of those that these have, and wait until found."""
        self.delete(collection, *dict.fromkeys(each.document for each in passages))
        self._write(collection, passages, vectors, lambda done, total: None)
        self._wait(collection, passages, vectors)

    def unsearchable(self, collection: str, passages: Sequence[Passage], vectors: Matrix) -> list[str]:
        """Return the ids of those passages that a search by their own vector does not find now."""
        pairs = zip(passages, vectors, strict=True)
        wanted = [(passage.id, vector) for passage, vector in pairs if vector.any()]
        found = self._found(collection, wanted) if wanted else set()
        return [passage for passage, _ in wanted if passage not in found]

    def drop_others(self, keep: Collection[str]) -> None:
        """Drop the collections of other versions of the index."""
        for name in list(self._names()):
            if name.startswith(self.name("")) and name not in keep:
                self._drop(name)

    def _wait(self, collection: str, passages: Sequence[Passage], vectors: Matrix) -> None:
        def unsearchable(sample: Sequence[Passage], sampled: Matrix) -> list[str]:
            return self.unsearchable(collection, sample, sampled)

        wait_until_searchable(self.title, passages, vectors, unsearchable, self._settings.index_wait_s)

    @abc.abstractmethod
    def delete(self, collection: str, *documents: str) -> None:
        """Remove the passages of uploaded documents; no document and no collection are no error."""

    @abc.abstractmethod
    def _write(self, collection: str, passages: Sequence[Passage], vectors: Matrix, progress: Progress) -> None:
        """Add passages to a collection."""

    @abc.abstractmethod
    def _found(self, collection: str, wanted: Sequence[tuple[str, NDArray[Any]]]) -> set[str]:
        """Return those ids whose passages a search by their own vector finds.

        Of many passages with one vector, any of them will do.
        """

    @abc.abstractmethod
    def _names(self) -> Iterable[str]:
        """Return the names of all collections."""

    @abc.abstractmethod
    def _drop(self, collection: str) -> None:
        """Drop a collection; none is no error."""


def batches(
    passages: Sequence[Passage], vectors: Matrix, size: int, progress: Progress
) -> Iterator[list[tuple[Passage, NDArray[Any]]]]:
    """Yield passages with their vectors, so many at once; the progress is told after each."""
    for start in range(0, len(passages), size):
        yield list(zip(passages[start : start + size], vectors[start : start + size], strict=True))
        progress(min(start + size, len(passages)), len(passages))


def kept(passage: Passage) -> dict[str, Any]:
    """Return what a store without a schema keeps of a passage for its answers."""
    return {"names": passage.names, **{name: getattr(passage, name) for name in _TEXTS}}


def day_of(date: str) -> int:
    """Return an ISO date as a number of days, for stores that compare numbers only."""
    return datetime.date.fromisoformat(date).toordinal()


def hit_of(passage: str, known: Mapping[str, Any], day: int, score: float) -> Hit:
    """Return a passage that was found.

    Args:
        passage: its id.
        known: from `kept`.
        day: from `day_of`.
        score: higher is better.
    """
    date = datetime.date.fromordinal(day).isoformat()
    return Hit(id=passage, names=list(known["names"]), date=date, score=score, **{name: known[name] for name in _TEXTS})
