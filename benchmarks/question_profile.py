"""Where the time of a question goes: how much of it is analysis, and what it reads."""

from __future__ import annotations

import json
import re
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from page_questions import WINDOWS, Asked

from sightline_store.client import Client

_PROFILED = 10
_WINDOW = re.compile(rf" ({'|'.join(WINDOWS)})( \w+)?$")


@dataclass(frozen=True)
class Profile:
    """One question, all of its statements together.

    Attributes:
        statements: sent to the store.
        analysis_s: until the plans are made, scalar subqueries and sets for the primary key included.
        rows: read of tables.
        mib: read of tables, uncompressed.
    """

    statements: int
    analysis_s: float
    rows: int
    mib: float


class _Recorder(Client):
    """Remembers what it was asked."""

    def __init__(self, client: Client) -> None:
        super().__init__(client.settings)
        self.sent: list[tuple[str, Mapping[str, Any]]] = []

    def query_rows(self, sql: str, params: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Answer, and remember."""
        self.sent.append((sql, dict(params or {})))
        return super().query_rows(sql, params)


def profile(client: Client, question: Asked, repeats: int = 3) -> Profile:
    """Ask a question once, and each of its statements again as EXPLAIN and for its numbers.

    Args:
        client: of an admin: a reader may not explain statements.
        question: of `page_questions`.
        repeats: EXPLAINs, of which the median counts.
    """
    recorder = _Recorder(client)
    question.ask(recorder)
    analysis_s, rows, read = 0.0, 0, 0
    for sql, params in recorder.sent:
        each = []
        for _ in range(repeats):
            started = time.perf_counter()
            client.query_bytes(f"EXPLAIN {sql}", params, "TSVRaw")
            each.append(time.perf_counter() - started)
        analysis_s += statistics.median(each)
        told = json.loads(client.query_bytes(sql, params, "JSON"))["statistics"]
        rows, read = rows + told["rows_read"], read + told["bytes_read"]
    recorder.close()
    return Profile(len(recorder.sent), analysis_s, rows, read / 2**20)


def table(client: Client, questions: Sequence[Asked]) -> Iterator[str]:
    """Lines with the profiles of the first questions, one window of each.

    Args:
        client: of an admin.
        questions: the dearest first.
    """
    yield "analysis ms  Mrows     MiB  statements"
    seen: set[str] = set()
    for question in questions:
        name = _WINDOW.sub("", question.label)
        if name in seen:
            continue
        seen.add(name)
        told = profile(client, question)
        numbers = f"{told.analysis_s * 1e3:11.1f} {told.rows / 1e6:6.2f} {told.mib:7.1f} {told.statements:11d}"
        yield f"{numbers}  {question.label}"
        if len(seen) == _PROFILED:
            return
