"""Any model of fastembed (ONNX Runtime, CPU), whose files it downloads once."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import importlib.util
import logging
import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sightline_app.corpus import Passage
from sightline_app.embeddings.protocol import Embedded, Matrix, Progress, passage_text, unit
from sightline_app.settings import AppSettings

_log = logging.getLogger(__name__)
_HUB = ("huggingface.co", 443)


class FastEmbedEmbedding:
    """A sentence-embedding model run by fastembed (ONNX Runtime, CPU).

    Args:
        model: fastembed's model name.
        cache_dir: where model files are kept.
        download: whether files may be fetched when they are not cached.
    """

    provider = "fastembed"

    def __init__(self, model: str, cache_dir: Path, *, download: bool) -> None:
        from fastembed import TextEmbedding  # noqa: PLC0415

        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        folder = str(cache_dir / "models")
        self.name = f"fastembed:{model}"
        self.model = model
        self.version = hashlib.sha256(self.name.encode()).hexdigest()[:12]
        self._model: Any = TextEmbedding(model_name=model, cache_dir=folder, local_files_only=not download)
        self.dimensions = len(next(iter(self._model.embed(["size"]))))

    def embed_passages(self, passages: Sequence[Passage], progress: Progress) -> Matrix:
        """Return float32[n_passages, dimensions], rows of unit length."""
        rows = []
        for vector in self._model.passage_embed([passage_text(passage) for passage in passages]):
            rows.append(vector)
            progress(len(rows), len(passages))
        return unit(np.asarray(rows, dtype=np.float32))

    async def embed_question(self, question: str) -> Embedded:
        """Return the question's vector, computed in a thread."""
        return await asyncio.to_thread(self._embed_question, question)

    async def close(self) -> None:
        """Nothing to let go of."""

    def _embed_question(self, question: str) -> Embedded:
        vector = next(iter(self._model.query_embed([question])))
        return Embedded(unit(np.asarray(vector, dtype=np.float32)), int(self._model.token_count([question])))


def find(settings: AppSettings) -> FastEmbedEmbedding | None:
    """Return the embedding if its package and files can be had, within a few seconds; never raises."""
    if importlib.util.find_spec("fastembed") is None:
        return None
    with contextlib.suppress(ImportError):  # fastembed's own log, which tells of each file it does not find
        from loguru import logger as fastembed_log  # noqa: PLC0415

        fastembed_log.disable("fastembed")
    quiet = [logging.getLogger(name) for name in ("fastembed", "huggingface_hub")]
    levels = [logger.level for logger in quiet]
    try:
        for logger in quiet:
            logger.setLevel(logging.CRITICAL)
        with contextlib.suppress(Exception):
            return FastEmbedEmbedding(settings.fastembed_model, settings.cache_dir, download=False)
        if not _reachable(_HUB):
            _log.info("%s is neither cached nor can it be downloaded", settings.fastembed_model)
            return None
        with contextlib.suppress(Exception):
            return FastEmbedEmbedding(settings.fastembed_model, settings.cache_dir, download=True)
    finally:
        for logger, level in zip(quiet, levels, strict=True):
            logger.setLevel(level)
    return None


def _reachable(address: tuple[str, int]) -> bool:
    try:
        with socket.create_connection(address, timeout=1.5):
            return True
    except OSError:
        return False
