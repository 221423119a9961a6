"""A data folder with a small index in a real Weaviate, for tests of what brings documents into it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from weaviate.classes.query import Filter
from weaviate_place import Place

from sightline_app.documents import DocumentFolder
from sightline_app.index import ingest, read_manifest
from sightline_app.ingestion.document import Document
from sightline_app.ingestion.folder import UploadFolder
from sightline_app.settings import AppSettings, IngestionSettings, StateSettings, UploadSettings

ACME = {"x-tenant-id": "acme"}
ABOUT = ("trains", "ferries", "buses", "planes", "trams", "bicycles", "rockets", "balloons")


def text_of(number: int) -> str:
    """A document of two passages that no other number has."""
    about = ABOUT[number % len(ABOUT)]
    return (
        f"# Travel {number}\nThe office books {about} for group {number}.\n\n# Return {number}\nGroup {number} walks.\n"
    )


class IngestedPlace:
    """The folder and its collection."""

    def __init__(self, folder: Path, weaviate: Place, name: str, **ingestion: object) -> None:
        documents = folder / "docs"
        documents.mkdir()
        for number in range(8):
            (documents / f"{number}.md").write_text(text_of(1000 + number))
        self._weaviate = weaviate
        self.settings = AppSettings(
            data_dir=folder / "app",
            embedding="lexical",
            lexical_dimensions=8,
            collection=f"Ingested{name}",
            retrieval="weaviate",
            local_weaviate_port=weaviate.http,
            local_weaviate_grpc_port=weaviate.grpc,
            state=StateSettings(mode="process"),
            uploads=UploadSettings(wait_s=0),
            ingestion=IngestionSettings(**ingestion),  # type: ignore[arg-type]
        )
        self.source = DocumentFolder(documents)
        ingest(self.settings, self.source)
        self.folder = UploadFolder(self.settings.data_dir)

    def with_ingestion(self, **changes: object) -> AppSettings:
        """The settings, some of ingestion's changed."""
        return replace(self.settings, ingestion=replace(self.settings.ingestion, **changes))  # type: ignore[arg-type]

    def env(self, spans: str, **more: str) -> dict[str, str]:
        """Variables of a command that works on it and sends its spans somewhere."""
        return {
            "SIGHTLINE_APP_DATA_DIR": str(self.settings.data_dir),
            "SIGHTLINE_APP_COLLECTION": self.settings.collection,
            "SIGHTLINE_EMBEDDING": "lexical",
            "SIGHTLINE_LEXICAL_DIMENSIONS": "8",
            "SIGHTLINE_RETRIEVAL": "weaviate",
            "SIGHTLINE_WEAVIATE_PORT": str(self._weaviate.http),
            "SIGHTLINE_WEAVIATE_GRPC_PORT": str(self._weaviate.grpc),
            "OTEL_EXPORTER_OTLP_ENDPOINT": spans,
            **more,
        }

    @property
    def version(self) -> str:
        """Of the index that is served."""
        return read_manifest(self.settings.data_dir).version

    def collections(self) -> list[str]:
        """All collections of this place."""
        found = self._weaviate.client.collections.list_all()
        return sorted(each for each in found if each.startswith(f"{self.settings.collection}_"))

    def stored(self, document: str | None = None) -> int:
        """Passages of a document, or of all, in the collection that is served."""
        collection = self._weaviate.client.collections.get(read_manifest(self.settings.data_dir).collection)
        among = None if document is None else Filter.by_property("document").equal(document)
        return int(collection.aggregate.over_all(filters=among, total_count=True).total_count or 0)

    def until_settled(self, tenant: str, ids: Sequence[str], timeout_s: float = 60.0) -> list[Document]:
        """Wait until nothing is left to do for documents, and return them."""
        deadline = time.monotonic() + timeout_s
        while True:
            found = [self.folder.find(tenant, each) for each in ids]
            settled = [each for each in found if each is not None and each.state.is_settled]
            if len(settled) == len(ids):
                return settled
            assert time.monotonic() < deadline, found
            time.sleep(0.02)


async def until(has_come: object, timeout_s: float = 30.0) -> None:
    """Wait, beside others on the loop, until a function or a coroutine function returns something."""
    assert callable(has_come)
    deadline = time.monotonic() + timeout_s
    while True:
        found = has_come()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)
