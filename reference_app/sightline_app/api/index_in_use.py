"""The index that is served, and its replacement by a newer one while requests run."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable

from sightline_app.embeddings import load
from sightline_app.errors import AppError, IndexMissing
from sightline_app.index import Manifest, open_retriever, read_manifest, version_folder
from sightline_app.langchain_generator import open_generator
from sightline_app.lexicon import Lexicon
from sightline_app.pipeline import Pipeline
from sightline_app.settings import AppSettings

_log = logging.getLogger("sightline.app")
_INTERVAL_S = 2.0


def open_pipeline(settings: AppSettings) -> Pipeline:
    """Load the index and build the pipeline.

    Raises:
        IndexMissing: nothing was ingested.
        InvalidSetting: the index's embedding or the model can't be had with these settings.
        MissingExtra: the package of one of them is not installed.
    """
    manifest = read_manifest(settings.data_dir)
    folder = version_folder(settings.data_dir, manifest.version)
    embedding = load(manifest.embedding, manifest.embedding_version, manifest.dimensions, folder, settings)
    lexicon = Lexicon.load(folder / "lexicon.json")
    return Pipeline(
        settings,
        manifest,
        embedding=embedding,
        lexicon=lexicon,
        retriever=open_retriever(settings, manifest),
        generator=open_generator(settings),
    )


class IndexInUse:
    """The pipeline in use; replaced when another ingest has switched the manifest.

    Args:
        settings: where the index is.
        build: makes the pipeline.

    Raises:
        AppError: the index can't be served.
    """

    def __init__(self, settings: AppSettings, build: Callable[[AppSettings], Pipeline]) -> None:
        self._settings = settings
        self._build = build
        self.pipeline = build(settings)
        self._closed = asyncio.Event()
        self._leaving: set[asyncio.Task[None]] = set()

    async def watch(self) -> None:
        """Look for a new index every two seconds, until cancelled."""
        while True:
            await asyncio.sleep(_INTERVAL_S)
            await self.refresh()

    def is_newest(self) -> bool:
        """Whether no ingest has switched to another index that is not served here yet."""
        try:
            return self._is_served(read_manifest(self._settings.data_dir))
        except IndexMissing:
            return True

    def _is_served(self, manifest: Manifest) -> bool:
        served = self.pipeline.manifest
        return (manifest.version, manifest.backend) == (served.version, served.backend)

    async def refresh(self) -> None:
        """Take over a new index version; requests that run go on with the old one."""
        try:
            manifest: Manifest = await asyncio.to_thread(read_manifest, self._settings.data_dir)
            if self._is_served(manifest):
                return
            await self.rebuild()
        except AppError as exc:
            _log.warning("keeping index %s: %s", self.pipeline.manifest.version, exc)
            return
        _log.info("now serving index %s (%d passages)", manifest.version, manifest.passages)

    async def rebuild(self) -> None:
        """Build the pipeline anew and serve it; requests that run go on with the old one.

        Raises:
            AppError: it cannot be built; the old one is served on.
        """
        fresh = await asyncio.to_thread(self._build, self._settings)
        old, self.pipeline = self.pipeline, fresh
        leaving = asyncio.create_task(self._leave(old))
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)
        await fresh.learn_notes()

    async def _leave(self, old: Pipeline) -> None:
        """Close a pipeline when the requests that run on it have ended, or when the app stops."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._closed.wait(), self._settings.request_timeout_s)
        await old.close()

    async def close(self) -> None:
        """Close all pipelines."""
        self._closed.set()
        await asyncio.gather(*self._leaving)
        await self.pipeline.close()
