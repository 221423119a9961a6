"""When each request is due: at random moments of a rate, or as a file of recorded moments says.

The form of the file, which `--record` writes and `--trace` reads: text, one request a line. Its first column, up to a
tab, a comma or a space, is the moment in seconds, a decimal number that never goes back; the first line's counts as 0.
Further columns are for readers of results (`COLUMNS`) and are passed over, as are empty lines, lines that begin with
``#``, and a heading in the first line.
"""

from __future__ import annotations

import itertools
import math
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from sightline_app.errors import CorpusError

COLUMNS: Final = ("due_s", "outcome", "behind_s", "ttft_s", "total_s")
"""Columns of a recorded trace. Times in seconds, the last two since the request was sent; empty where there is none."""
_SEPARATOR: Final = re.compile(r"[\t, ]")


def poisson(rate: float, seed: int) -> Iterator[float]:
    """Yield moments in seconds since the beginning, without end: waits between them are exponential.

    Args:
        rate: requests a second, above 0.
        seed: fixes them.
    """
    draw = random.Random(seed)  # noqa: S311  # nothing secret
    due_s = 0.0
    while True:
        due_s += draw.expovariate(rate)
        yield due_s


def read_trace(path: Path) -> list[float]:
    """Return the moments of a recorded trace, in seconds; the first one is 0.

    Raises:
        CorpusError: the file is missing, holds no moment, or a line is not in this form.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as exc:
        raise CorpusError(f"the trace in {path} cannot be read: {exc}") from exc
    moments: list[float] = []
    for number, line in enumerate(lines, start=1):
        first = _SEPARATOR.split(line.strip(), maxsplit=1)[0]
        if not first or first.startswith("#") or (number == 1 and first == COLUMNS[0]):
            continue
        try:
            moment = float(first)
        except ValueError:
            moment = math.nan
        if not math.isfinite(moment) or moment < (moments[-1] if moments else 0.0):
            raise CorpusError(f"{path}, line {number}: needs seconds that never go back, and is {first!r}")
        moments.append(moment)
    if not moments:
        raise CorpusError(f"{path} holds no moments: the first column of each line is a request's, in seconds")
    return [moment - moments[0] for moment in moments]


def write_trace(path: Path, rows: Iterable[Sequence[float | str | None]]) -> None:
    """Write a recorded trace.

    Args:
        path: the file; one that is there is replaced.
        rows: values of `COLUMNS`, in the order of the moments.
    """
    texts = ("\t".join(map(_text, row)) for row in rows)
    path.write_text("\n".join(itertools.chain(["\t".join(COLUMNS)], texts)) + "\n", encoding="utf-8")


def _text(value: float | str | None) -> str:
    if isinstance(value, float):
        return f"{value:.6f}"
    return "" if value is None else str(value)


def within(moments: Iterable[float], *, speed: float, most: int, for_s: float) -> Iterator[float]:
    """Yield the moments that a run has time for.

    Args:
        moments: in seconds, in order.
        speed: how much faster they follow each other.
        most: how many at most.
        for_s: how long, in seconds.
    """
    sped = (moment / speed for moment in moments)
    yield from itertools.islice(itertools.takewhile(lambda due_s: due_s <= for_s, sped), most)
