"""The data folder's stamp: which engine wrote it last.

ClickHouse reads what an older one wrote and rewrites it as it merges; an older one may not read what a newer one wrote,
and can fail in the middle of it. So a folder from an older engine is taken over, and one from a newer engine refused
before it is opened.

The stamp is `sightline.json`: {"engine": "26.9.2.1"}.
"""

from __future__ import annotations

import json
import logging
import os
import re
from pathlib import Path

from sightline_store.errors import StoreError

_NAME = "sightline.json"


def check(folder: Path, version: str) -> str:
    """Check the stamp before the folder is opened.

    Args:
        folder: of the data.
        version: of the engine that wants it.

    Returns:
        The version that wrote it last, '' where it has no stamp.

    Raises:
        StoreError: a newer engine has written it, or the stamp cannot be read.
    """
    path = folder / _NAME
    try:
        stamp = json.loads(path.read_text(encoding="utf-8"))
        written = str(stamp["engine"])
    except FileNotFoundError:
        return ""
    except (ValueError, TypeError, KeyError, OSError) as exc:
        raise StoreError(
            f"{path} cannot be read ({type(exc).__name__}): it tells which ClickHouse wrote the data. Where you know "
            "that it was not a newer one, remove the file and start again."
        ) from exc
    if _release(written) > _release(version):
        raise StoreError(
            f"SIGHTLINE_STORE_DATA_DIR={folder} was written by ClickHouse {written}, and this is {version}, which may "
            f"not be able to read it. Install the chdb that brings {written} or a newer one, or restore a backup into "
            "an empty folder."
        )
    return written


def stamp(folder: Path, version: str, before: str) -> None:
    """Write the stamp once the folder is open.

    Args:
        folder: of the data.
        version: of the engine that has it.
        before: what `check` returned.
    """
    if before == version:
        return
    if before:
        logging.getLogger("sightline.store").warning("data of ClickHouse %s taken over by %s", before, version)
    path = folder / _NAME
    fresh = path.with_suffix(".new")
    with fresh.open("w", encoding="utf-8") as file:
        json.dump({"engine": version}, file)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _release(version: str) -> tuple[int, int]:
    """Year and month: versions of one month read each other's data."""
    match = re.match(r"(\d+)\.(\d+)", version)
    return (int(match[1]), int(match[2])) if match else (0, 0)
