"""An index in memory that documents are stored in: a vector store and an embedding that a test can stop and hold."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightline_app.corpus import Passage


class Store:
    """A vector store in memory, which a test can stop, hold and break."""

    backend = "weaviate"

    def __init__(self) -> None:
        self.passages: dict[str, list[Passage]] = {}
        self.away = False
        self.fault: Exception | None = None
        self.inserts = 0

    def reachable(self) -> bool:
        """Whether it answers."""
        return not self.away

    def insert(self, collection: str, passages: Sequence[Passage], vectors: NDArray[Any]) -> None:
        """Keep passages."""
        assert collection == "Documents_1"
        assert vectors.shape == (len(passages), 2)
        self.inserts += 1
        if self.fault is not None:
            raise self.fault
        for document in {each.document for each in passages}:
            self.passages[document] = [each for each in passages if each.document == document]

    def delete(self, collection: str, *documents: str) -> None:
        """Forget passages."""
        assert collection == "Documents_1"
        for document in documents:
            self.passages.pop(document, None)


class Embedding:
    """Two numbers for each passage; a test can hold it in the middle of a document."""

    name, model, provider, version, dimensions = "test", "test-model", "local", "1", 2

    def __init__(self) -> None:
        self.is_in, self.goes_on = threading.Event(), threading.Event()
        self.goes_on.set()

    def embed_passages(self, passages: Sequence[Passage], progress: Callable[[int, int], None]) -> NDArray[np.float32]:
        """Return unit vectors."""
        self.is_in.set()
        assert self.goes_on.wait(30)
        progress(len(passages), len(passages))
        return np.tile(np.array([1, 0], np.float32), (len(passages), 1))


class Served:
    """The index that is served."""

    def __init__(self) -> None:
        self.newest = True
        self.embedding = Embedding()
        manifest = SimpleNamespace(backend="weaviate", collection="Documents_1")
        self.pipeline: Any = SimpleNamespace(manifest=manifest, embedding=self.embedding)

    def is_newest(self) -> bool:
        """Whether no other index waits to be served."""
        return self.newest
