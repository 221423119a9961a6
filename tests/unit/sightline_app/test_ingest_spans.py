"""What an ingest tells: one trace, how far the index was behind its source, and whether there was anything to do."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import pytest
from numpy.typing import NDArray

from sightline import semconv
from sightline.testing import captured
from sightline_app import index
from sightline_app.corpus import Passage
from sightline_app.documents import DocumentFolder
from sightline_app.errors import CorpusError
from sightline_app.ingestion.indexing import LAG, PASSAGES, STAGE
from sightline_app.settings import AppSettings


class Store:
    """A vector store that counts."""

    backend = "weaviate"

    def __init__(self) -> None:
        self.passages = 0

    def count(self, collection: str) -> int:
        """Passages of the last build."""
        del collection
        return self.passages

    def build(
        self, version: str, passages: Sequence[Passage], vectors: NDArray[Any], progress: Callable[[int, int], None]
    ) -> str:
        """Take them."""
        assert len(passages) == len(vectors)
        self.passages = len(passages)
        progress(len(passages), len(passages))
        return f"Documents_{version}"

    def drop_others(self, keep: Collection[str]) -> None:
        """Keep all."""


@pytest.fixture(name="settings")
def _settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AppSettings:
    store = Store()
    monkeypatch.setattr(index, "choose_store", lambda settings, wait_s: store)
    return AppSettings(data_dir=tmp_path / "app", embedding="lexical", lexical_dimensions=2)


@pytest.fixture(name="docs")
def _docs(tmp_path: Path) -> Path:
    docs = tmp_path / "docs"
    docs.mkdir()
    for name in ("one", "two", "three"):
        (docs / f"{name}.md").write_text(f"# Guide {name}\nThe office books {name} trains and walks.\n")
        os.utime(docs / f"{name}.md", (1, time.time() - 100))
    return docs


def test_ingest_is_one_trace_that_tells_how_far_behind_the_index_was(settings: AppSettings, docs: Path) -> None:
    """From the newest change of a file to the switch; the second ingest had nothing to do, and says so."""
    source = DocumentFolder(docs)
    os.utime(docs / "two.md", (1, time.time() - 40))
    with captured() as spans:
        assert index.ingest(settings, source, changed_at=source.changed_at())[1]
        assert not index.ingest(settings, source, changed_at=source.changed_at())[1]
    assert spans.names() == ["corpus.read", "embeddings lexical", "index.build", "index.ingest", "index.ingest"]
    read, embedded, built, first, second = spans
    assert {each.parent.span_id for each in (read, embedded, built) if each.parent} == {first.context.span_id}
    told, again = dict(first.attributes or {}), dict(second.attributes or {})
    assert 40 <= told[LAG] < 100
    assert (told[index.BUILT], told[PASSAGES], told[semconv.STAGE]) == (True, 3, STAGE)
    assert (again[index.BUILT], LAG in again) == (False, False)


def test_ingest_that_fails_is_a_failed_trace(settings: AppSettings, docs: Path) -> None:
    """It counts among those that did not get in."""
    for path in docs.iterdir():
        path.write_bytes(b"\0\0")
    with captured() as spans, pytest.raises(CorpusError, match="binary"):
        index.ingest(settings, DocumentFolder(docs))
    assert [(each.name, each.status.is_ok) for each in spans] == [("corpus.read", False), ("index.ingest", False)]
