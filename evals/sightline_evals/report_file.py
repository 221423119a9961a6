"""The file that a report goes to: checked before a run, and written as a whole or not at all."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from sightline_evals.errors import UsageError


def check(path: str | None) -> None:
    """Refuse a report that could not be written, before anything is paid for."""
    if path is None or path == "-":
        return
    target = Path(path)
    folder = target.parent
    if not folder.is_dir():
        raise UsageError(f"--json {path}: there is no folder {folder}")
    if target.is_dir():
        raise UsageError(f"--json {path}: is a folder")
    if not os.access(target if target.exists() else folder, os.W_OK):
        raise UsageError(f"--json {path}: may not be written")


@contextlib.contextmanager
def stream(path: str) -> Iterator[IO[str]]:
    """Where a report goes: a file appears as a whole, or not at all."""
    target = Path(path)
    if path == "-":
        yield sys.stdout
        return
    try:
        if target.exists() and not target.is_file():  # a pipe, a device
            with target.open("w", encoding="utf-8") as device:
                yield device
            return
        out = tempfile.NamedTemporaryFile(  # noqa: SIM115
            "w", encoding="utf-8", dir=target.parent, prefix=f".{target.name}.", delete=False
        )
        with out:
            os.fchmod(out.fileno(), target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_umask())
            yield out
        Path(out.name).replace(target)
    except OSError as exc:
        raise UsageError(f"--json {path}: {exc.strerror}") from exc


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
