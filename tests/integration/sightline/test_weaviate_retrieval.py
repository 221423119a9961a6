"""Ingest and hybrid search on a real Weaviate; skipped, with the reason, where no server binary is to be had."""

from __future__ import annotations

import asyncio
import datetime
import json
import os
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sightline_app.api import open_pipeline
from sightline_app.documents import DocumentFolder
from sightline_app.errors import RetrievalUnavailable
from sightline_app.index import Manifest, ingest
from sightline_app.pipeline import Question
from sightline_app.retriever import Hit
from sightline_app.settings import AppSettings, WeaviateSettings
from sightline_app.vector_stores.weaviate import WeaviateStore
from sightline_app.weaviate_install import find
from sightline_app.weaviate_server import WeaviateProcess
from sightline_demo_corpus.standard_library import StandardLibrary

# weaviate-client and grpc leave sockets to the garbage collector when a server dies under them.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

SOURCE = StandardLibrary(("json", "shutil", "bisect", "random", "copy"))


def free_ports(count: int) -> list[int]:
    """Different ports of loopback that are free now."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()


class Place:
    """A Weaviate on a data folder, and an app's settings that point to it."""

    def __init__(self, folder: Path, binary: Path) -> None:
        http, grpc = free_ports(2)
        self.binary = binary
        self.server_settings = WeaviateSettings(port=http, grpc_port=grpc, data_dir=folder / "weaviate")
        self.settings = AppSettings(
            data_dir=folder / "app",
            local_weaviate_port=http,
            local_weaviate_grpc_port=grpc,
            embedding="lexical",
            lexical_dimensions=32,
            search_timeout_s=5.0,
            store_url="http://127.0.0.1:9",
        )
        self.process: WeaviateProcess | None = None

    def start(self) -> None:
        """Start the server and wait until it is ready."""
        self.process = WeaviateProcess(self.server_settings, self.binary, os.environ)
        assert self.process.wait_until_ready(60)

    def stop(self) -> None:
        """Stop the server."""
        if self.process is not None:
            self.process.stop()

    def find(self, question: Question) -> list[Hit]:
        """Search as the app does."""

        async def search() -> list[Hit]:
            pipeline = open_pipeline(self.settings)
            try:
                return await pipeline.find(question)
            finally:
                await pipeline.close()

        return asyncio.run(search())


@pytest.fixture(scope="module", name="place")
def _place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    cache = Path(os.environ.get("SIGHTLINE_CACHE_DIR", "~/.cache/sightline")).expanduser()
    binary = find(cache, os.environ.get("PATH"))
    if binary is None:
        pytest.skip(f"NO WEAVIATE: no binary on PATH or in {cache / 'bin'}; run `sightline-weaviate --install-only`")
    place = Place(tmp_path_factory.mktemp("place"), binary)
    place.start()
    ingest(place.settings, SOURCE)
    yield place
    place.stop()


def names(hits: list[Hit]) -> set[str]:
    """The names of all returned passages."""
    return {name for hit in hits for name in hit.names}


def test_hybrid_search_finds_what_a_person_means(place: Place) -> None:
    """Everyday words lead to the function, with score, text and names."""
    hits = place.find(Question("copy a whole folder with everything in it"))
    assert "shutil.copytree" in names(hits)
    assert len(hits) == place.settings.top_k
    assert all(hit.text and 0 <= hit.score <= 1 for hit in hits)


def test_second_ingest_of_the_same_documents_does_nothing(place: Place) -> None:
    """The fingerprint decides, without reading or embedding anything."""
    manifest, built = ingest(place.settings, SOURCE)
    assert not built
    assert WeaviateStore(place.settings).count(manifest.collection) == manifest.passages


def test_lost_collection_is_built_again(place: Place) -> None:
    """An index that is gone from Weaviate is noticed, although the documents are unchanged."""
    WeaviateStore(place.settings).drop_others(())
    manifest, built = ingest(place.settings, SOURCE)
    assert built
    assert WeaviateStore(place.settings).count(manifest.collection) == manifest.passages


def test_tenants_never_see_each_others_documents(place: Place, tmp_path: Path) -> None:
    """A tenant's own passages are returned to that tenant beside the public ones, and to no other tenant."""
    for tenant, secret in (("acme", "zebra"), ("globex", "giraffe")):
        (tmp_path / tenant).mkdir()
        (tmp_path / tenant / "plan.md").write_text(
            f"# Travel plan\nThe {secret} excursion starts in Nairobi at nine.\n"
        )
        ingest(place.settings, DocumentFolder(tmp_path / tenant, tenant=tenant), tenant=tenant)
    asked = "When does the excursion in Nairobi start?"
    texts = {
        tenant: " ".join(hit.text for hit in place.find(Question(asked, tenant=tenant)))
        for tenant in ("acme", "globex", "initech", "public", "", "*")
    }
    assert "zebra" in texts["acme"]
    assert "giraffe" in texts["globex"]
    assert sum("zebra" in text for text in texts.values()) == sum("giraffe" in text for text in texts.values()) == 1
    assert "shutil.copytree" in names(place.find(Question("copy a folder tree", tenant="acme")))


def test_date_filter_leaves_older_passages_out(place: Place) -> None:
    """With a date in the future nothing is returned, with one in the past everything."""
    later = datetime.datetime.now(tz=datetime.UTC).date() + datetime.timedelta(days=400)
    assert place.find(Question("copy a folder", since=later)) == []
    assert place.find(Question("copy a folder", since=datetime.date(2000, 1, 1)))


@pytest.mark.parametrize("text", ["???", "the of and", "qqqqq zzzzz", "' OR 1=1 --", "\x00", "🙂" * 50])
def test_questions_without_known_words_are_no_error(place: Place, text: str) -> None:
    """Punctuation, stop words, unknown words and odd signs find nothing or little, and do not fail."""
    assert len(place.find(Question(text))) <= place.settings.top_k


def test_restart_on_the_same_folder_keeps_the_index_and_takes_new_ones(place: Place) -> None:
    """After a stop, a kill -9, and a start on other internal ports, old collections answer and new ones can be made."""
    for crash in (False, True):
        assert place.process is not None
        if crash:
            place.process.process.kill()
            place.process.process.wait()
            remembered = place.server_settings.data_dir / "ports.json"
            moved = {name: port + 40 for name, port in json.loads(remembered.read_text()).items()}
            remembered.write_text(json.dumps(moved))
        else:
            place.stop()
        place.start()
        assert "shutil.copytree" in names(place.find(Question("copy a whole folder")))
    manifest, built = ingest(place.settings, SOURCE, force=True)
    assert built
    assert WeaviateStore(place.settings).count(manifest.collection) == manifest.passages


def test_missing_collection_is_an_unavailable_store_not_a_crash(place: Place) -> None:
    """A collection that was dropped behind the app's back is reported with the store's own words."""

    async def search() -> None:
        pipeline = open_pipeline(place.settings)
        pipeline.retriever.collection = "Nowhere"
        try:
            with pytest.raises(RetrievalUnavailable, match="Nowhere"):
                await pipeline.find(Question("copy a folder"))
        finally:
            await pipeline.close()

    asyncio.run(search())


def test_app_survives_a_weaviate_that_goes_and_comes_back(place: Place) -> None:
    """While the server is down, a search fails within its timeout; afterwards the same pipeline works again."""

    async def search() -> tuple[float, list[Hit]]:
        pipeline = open_pipeline(replace(place.settings, search_timeout_s=3.0))
        loop = asyncio.get_running_loop()
        try:
            await pipeline.find(Question("copy a folder"))
            await asyncio.to_thread(place.stop)
            started = loop.time()
            with pytest.raises(RetrievalUnavailable):
                await pipeline.find(Question("copy a folder"))
            took_s = loop.time() - started
            await asyncio.to_thread(place.start)
            return took_s, await pipeline.find(Question("copy a folder"))
        finally:
            await pipeline.close()

    took_s, hits = asyncio.run(search())
    assert took_s < 8
    assert hits


def test_port_in_use_is_reported_by_its_setting(place: Place) -> None:
    """A second server on the same port names the variable instead of starting."""
    with pytest.raises(ValueError, match="SIGHTLINE_WEAVIATE_PORT"):
        WeaviateProcess(place.server_settings, place.binary, os.environ)


def test_manifest_describes_the_index(place: Place) -> None:
    """Embedding, its version and dimensions are known to the server of the index."""
    manifest: Manifest = open_pipeline(place.settings).manifest
    assert manifest.embedding == "lexical"
    assert manifest.dimensions == 32
    assert manifest.backend == "weaviate"
