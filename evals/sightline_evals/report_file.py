"""The file of a report: checked before a run, written as a whole or not at all, and read back as JSON."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final

from sightline_evals.errors import ReportError, UsageError

SCHEMA: Final = "sightline-evals/2"
"""Version of the report of `sightline-evals run --json FILE`."""


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
        try:
            with out:
                os.fchmod(out.fileno(), target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_umask())
                yield out
            Path(out.name).replace(target)
        except BaseException:
            Path(out.name).unlink(missing_ok=True)
            raise
    except OSError as exc:
        raise UsageError(f"--json {path}: {exc.strerror}") from exc


def read(path: Path) -> dict[str, Any]:
    """The report in a file, an object whose `schema` is `SCHEMA`; its parts are not checked.

    Raises:
        ReportError: the file cannot be read, is not JSON, or is of another schema.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as exc:
        raise ReportError(path, exc.strerror or str(exc)) from exc
    except UnicodeDecodeError as exc:
        raise ReportError(path, f"is not UTF-8 at byte {exc.start + 1}") from exc
    try:
        document = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as exc:
        where = f" at line {exc.lineno}: {exc.msg}" if isinstance(exc, json.JSONDecodeError) else ": nested too deep"
        raise ReportError(path, f"is not JSON{where}; needs the file that `sightline-evals run --json` writes") from exc
    except ValueError as exc:  # a whole number of more digits than Python converts
        raise ReportError(path, f"is not JSON that can be read: {exc}") from exc
    schema = document.get("schema") if isinstance(document, dict) else None
    if schema != SCHEMA:
        found = f"its schema is {schema!r}" if schema is not None else "it names no schema"
        raise ReportError(path, f"is no report of this version: {found}, needs {SCHEMA!r}; run the evaluation again")
    checked: dict[str, Any] = document
    return checked


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
