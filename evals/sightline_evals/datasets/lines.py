"""The lines of a UTF-8 text file, each checked before it is parsed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from sightline_evals.errors import DatasetError

NumberedRow = tuple[int, Mapping[str, Any]]
"""A row's number, from 1, and its values by column name."""

MAX_LINE_BYTES: Final = 32 * 1024 * 1024
"""Longest line that is read; a longer one is a file of another kind."""

_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Each line with its number, from 1, and its line end; a byte order mark is left out.

    Raises:
        DatasetError: a line is too long, is not UTF-8, or holds a NUL byte.
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        number = 0
        while line := file.readline(MAX_LINE_BYTES + 1):
            number += 1
            if len(line) > MAX_LINE_BYTES:
                raise DatasetError(path, number, f"is longer than {MAX_LINE_BYTES} bytes; needs one case a line")
            if number == 1 and line.startswith(_UTF_16):
                raise DatasetError(path, 1, "is UTF-16; save the file as UTF-8")
            if b"\0" in line:
                raise DatasetError(path, number, f"holds a NUL byte at byte {line.index(0) + 1}; save it as UTF-8 text")
            try:
                yield number, line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as exc:
                raise DatasetError(
                    path, number, f"is not UTF-8 at byte {exc.start + 1}; save the file as UTF-8"
                ) from exc
