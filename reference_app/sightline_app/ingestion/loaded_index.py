"""The index that is served, as a process beside the app knows it: its manifest and its embedding."""

from __future__ import annotations

import threading

from sightline_app import embeddings
from sightline_app.errors import IndexMissing
from sightline_app.index import Manifest, read_manifest, version_folder
from sightline_app.ingestion.indexing import Target
from sightline_app.settings import AppSettings


class LoadedIndex:
    """Loads the index when it is asked for, and again when an ingest has switched to another one. Thread-safe.

    Args:
        settings: where it is.
    """

    def __init__(self, settings: AppSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._loaded: tuple[Manifest, Target] | None = None

    def target(self) -> Target | None:
        """Return the index that is served now; None where nothing was ingested yet.

        Raises:
            InvalidSetting: its embedding cannot be had with these settings.
        """
        try:
            manifest = read_manifest(self._settings.data_dir)
        except IndexMissing:
            return None
        with self._lock:
            if self._loaded is None or self._loaded[0] != manifest:
                folder = version_folder(self._settings.data_dir, manifest.version)
                embedding = embeddings.load(
                    manifest.embedding, manifest.embedding_version, manifest.dimensions, folder, self._settings
                )
                self._loaded = manifest, Target(manifest.backend, manifest.collection, embedding)
            return self._loaded[1]
