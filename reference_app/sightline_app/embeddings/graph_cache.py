"""Built graphs in the cache folder: one file a precision, plain ONNX, named by what went in and what came out.

``all-MiniLM-L6-v2-<precision>-<rules>-<weights>-<content>.onnx``: ``weights`` begins the SHA-256 of the weights,
``content`` that of the file itself. A file whose content has another sum (after a full disk, or damage) is removed and
built again. A file appears under its name in one step, so processes that build at the same time do not disturb each
other: each finds a whole file or none.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import tempfile
from pathlib import Path

from sightline_app.embeddings import weights
from sightline_app.embeddings.precision import Precision

RULES_VERSION = 1
"""Raise when :mod:`sightline_app.embeddings.graph` makes another graph of the same weights."""

_DIGITS = 16
_log = logging.getLogger("sightline.app")


def folder(cache_dir: Path) -> Path:
    """Return where graphs are kept."""
    return cache_dir / "models"


def _stem(precision: Precision) -> str:
    return f"all-MiniLM-L6-v2-{precision}-{RULES_VERSION}-{weights.SHA256[weights.WEIGHTS][:_DIGITS]}-"


def graph(cache_dir: Path, precision: Precision) -> bytes:
    """Return a serialized graph, from the cache or built now (about 2 seconds).

    Raises:
        WeightsMissing: it has to be built, and the package is not installed.
        WeightsRefused: the weights are not those that they should be.
    """
    return _stored(cache_dir, precision) or _built(cache_dir, precision)


def _stored(cache_dir: Path, precision: Precision) -> bytes | None:
    stem = _stem(precision)
    for path in sorted(folder(cache_dir).glob(f"{stem}*.onnx")):
        with contextlib.suppress(FileNotFoundError):  # removed by another process
            content = path.read_bytes()
            if _sum(content) == path.stem.removeprefix(stem):
                return content
            _log.warning("%s is damaged; it is built again", path)
            path.unlink()
    return None


def _built(cache_dir: Path, precision: Precision) -> bytes:
    from safetensors.numpy import load  # noqa: PLC0415

    from sightline_app.embeddings.graph import build  # noqa: PLC0415  # onnx is only needed here

    content = build(load(weights.read(weights.WEIGHTS)), precision)
    path = folder(cache_dir) / f"{_stem(precision)}{_sum(content)}.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".building-", delete=False) as out:
        draft = Path(out.name)
        try:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
            draft.replace(path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
    return content


def _sum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:_DIGITS]
