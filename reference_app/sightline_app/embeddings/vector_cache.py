"""Vectors of passages by the hash of their text, so that a changed corpus embeds only what is new.

One file an embedding, ``<data_dir>/vectors/<name>-<version>.npz``; it is written along the way too, so that an ingest
that was stopped goes on where it was. A damaged file counts as empty.
"""

from __future__ import annotations

import hashlib
import logging
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sightline_app.corpus import Passage
from sightline_app.embeddings.protocol import Embedding, Matrix, Progress, passage_text

_CHUNK = 2048
"""Passages between two writes of the file."""

_log = logging.getLogger("sightline.app")


def embed(embedding: Embedding, passages: Sequence[Passage], folder: Path, progress: Progress) -> Matrix:
    """Return float32[n_passages, dimensions], from the cache where it has them.

    Args:
        embedding: one whose vectors depend on a passage's text only.
        passages: in the order of the result.
        folder: where the cache is.
        progress: counts all passages, the known ones first.
    """
    if not passages:
        return np.zeros((0, embedding.dimensions), np.float32)
    keys = [hashlib.sha256(passage_text(each).encode()).digest()[:16] for each in passages]
    path = folder / f"{re.sub(r'[^A-Za-z0-9.-]+', '-', embedding.name)}-{embedding.version}.npz"
    known = _read(path)
    missing = list({key: row for row, key in enumerate(keys) if key not in known}.values())
    # The longest first, as the embedding itself would take them, so that each chunk is of like length.
    missing.sort(key=lambda row: len(passage_text(passages[row])), reverse=True)
    done = len(passages) - len(missing)
    progress(done, len(passages))

    def continued(count: int, total: int) -> None:
        del total
        progress(done + count, len(passages))

    for start in range(0, len(missing), _CHUNK):
        rows = missing[start : start + _CHUNK]
        vectors = embedding.embed_passages([passages[row] for row in rows], continued)
        known.update(zip((keys[row] for row in rows), vectors, strict=True))
        done += len(rows)
        _write(path, known)
    if known.keys() != set(keys):
        _write(path, {key: known[key] for key in keys})  # vectors of passages that are gone
    return np.stack([known[key] for key in keys])


def _read(path: Path) -> dict[bytes, Matrix]:
    try:
        with path.open("rb") as stored, np.load(stored, allow_pickle=False) as arrays:
            keys, vectors = arrays["keys"], arrays["vectors"]
        return dict(zip((row.tobytes() for row in keys.reshape(-1, 16)), vectors, strict=True))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as exc:
        _log.warning("%s is damaged (%s); its passages are embedded again", path, exc)
        return {}


def _write(path: Path, known: dict[bytes, Matrix]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    with draft.open("wb") as out:
        np.savez(
            out,
            keys=np.frombuffer(b"".join(known), np.uint8).reshape(-1, 16),
            vectors=np.stack(list(known.values())),
        )
    draft.replace(path)
