"""BACKUP between two writes, so that all tables of a backup show the same moment.

The engine first lists the parts of all tables, then copies them. Writes wait only for the listing, which is over when
the first file appears in the backup's folder.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from sightline_node import sql_lexer
from sightline_node.execution.engine import Engine, Statement
from sightline_node.execution.running import Running
from sightline_store.errors import QueryFailed
from sightline_store.quoting import quote_string

_POLL_S = 0.005
_SLOW_POLL_S = 0.1
_FIRST_FILE = ".lock"  # written before anything is listed


class Snapshots:
    """Runs a node's BACKUP statements."""

    def __init__(
        self,
        engine: Engine,
        running: Running,
        folder: Path,
        in_thread: Callable[[Callable[[], Any]], Awaitable[Any]],
    ) -> None:
        self._engine = engine
        self._running = running
        self._folder = folder
        self._in_thread = in_thread

    async def run(self, statement: Statement) -> bytes:
        """Run a BACKUP; returns its id and status at its end, or with ASYNC as soon as its moment is fixed.

        Raises:
            QueryFailed: as the engine words it.
        """
        words = [token for token in sql_lexer.tokens(statement.sql) if token.text != ";"]
        last = words[-1].text.upper()
        sql = statement.sql[: words[-2].end if last in {"SYNC", "ASYNC"} else words[-1].end]
        target = _target(words, self._folder)
        await self._in_thread(lambda: self._folder.mkdir(parents=True, exist_ok=True))
        async with self._running.writes_paused():
            outcome = await self._in_thread(lambda: self._execute(replace(statement, sql=f"{sql} ASYNC")))
            key = outcome.output.decode().split("\t", 1)[0]
            while await self._status(key) == "CREATING_BACKUP" and not _has_begun(target):
                await asyncio.sleep(_POLL_S)
        if last == "ASYNC":
            return bytes(outcome.output)
        while (status := await self._status(key)) == "CREATING_BACKUP":
            await asyncio.sleep(_SLOW_POLL_S)
        return f"{key}\t{status}\n".encode()

    def _execute(self, statement: Statement) -> Any:
        with self._engine.session() as session:
            return session.execute(replace(statement, output_format="TabSeparated"))

    async def _status(self, key: str) -> str:
        where = f"FROM system.backups WHERE id = {quote_string(key)}"
        status = await self._in_thread(lambda: self._engine.query_value(f"SELECT status {where}"))
        if status == "BACKUP_FAILED":
            error = await self._in_thread(
                lambda: self._engine.query_value(f"SELECT error {where} FORMAT TSVRaw").partition(", Stack trace")[0]
            )
            code = error.removeprefix("Code: ").partition(".")[0]
            raise QueryFailed(int(code) if code.isdigit() else 1000, error)
        return str(status)


def _target(words: list[sql_lexer.Token], folder: Path) -> Path | None:
    """The folder of File('…'); None for another destination."""
    for name, _, path in zip(words, words[1:], words[2:], strict=False):
        if name.text.lower() == "file" and path.kind == "string":
            return folder / path.text[1:-1].replace("\\'", "'").replace("\\\\", "\\")
    return None


def _has_begun(target: Path | None) -> bool:
    if target is None or not target.is_dir():
        return False
    return any(entry.name != _FIRST_FILE for entry in target.iterdir())
