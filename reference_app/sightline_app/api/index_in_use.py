"""The index that is served, and its replacement by a newer one while requests run."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from sightline_app.embeddings import load
from sightline_app.errors import AppError
from sightline_app.generator import Generator
from sightline_app.index import Manifest, open_retriever, read_manifest, version_folder
from sightline_app.lexicon import Lexicon
from sightline_app.pipeline import Pipeline
from sightline_app.settings import AppSettings

_log = logging.getLogger("sightline.app")
_INTERVAL_S = 2.0


def open_pipeline(settings: AppSettings) -> Pipeline:
    """Load the index and build the pipeline.

    Raises:
        IndexMissing: nothing was ingested.
        InvalidSetting: the index's embedding can't be had with these settings.
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
        generator=Generator(settings),
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

    async def watch(self) -> None:
        """Look for a new index every two seconds, until cancelled."""
        while True:
            await asyncio.sleep(_INTERVAL_S)
            await self.refresh()

    async def refresh(self) -> None:
        """Take over a new index version; requests that run go on with the old one."""
        try:
            manifest: Manifest = await asyncio.to_thread(read_manifest, self._settings.data_dir)
            if (
                manifest.version == self.pipeline.manifest.version
                and manifest.backend == self.pipeline.manifest.backend
            ):
                return
            fresh = await asyncio.to_thread(self._build, self._settings)
        except AppError as exc:
            _log.warning("keeping index %s: %s", self.pipeline.manifest.version, exc)
            return
        old, self.pipeline = self.pipeline, fresh
        await fresh.learn_notes()
        _log.info("now serving index %s (%d passages)", manifest.version, manifest.passages)
        await asyncio.sleep(self._settings.request_timeout_s)
        await old.close()
