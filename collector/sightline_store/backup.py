"""Backup and restore of a database of the embedded node, or of any ClickHouse that may write files.

BACKUP copies the parts that are there when it begins. Through the node it begins between two inserts, so all tables of
a backup show the same moment: what was acknowledged before is in it, in the official tables and behind every view.

Two functions for the command line: `backup` and `restore`. Both take the name of a folder in SIGHTLINE_STORE_BACKUP_DIR
(of the node) or an absolute path within it.

Source: https://clickhouse.com/docs/operations/backup
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from sightline_store.client import Client
from sightline_store.errors import QueryFailed, StoreError
from sightline_store.quoting import quote_identifier, quote_string
from sightline_store.schema import declared

_POLL_S = 0.2
_EXISTS, _MISSING = 598, 599
# A restored database brings its own.
_OWN = f"name IN ({', '.join(map(quote_string, sorted(declared.BOOKKEEPING)))})"


@dataclass(frozen=True)
class BackupReport:
    """What was written or read.

    Attributes:
        path: as it was given.
        files: number of files.
        size_bytes: of all of them.
    """

    path: str
    files: int
    size_bytes: int


def backup(client: Client, path: str) -> BackupReport:
    """Write the client's database into a new folder, while inserts go on.

    Args:
        client: of the store.
        path: a name in the node's backup folder, or an absolute path within it.

    Raises:
        StoreError: the path exists already or lies elsewhere, or the engine failed; nothing usable was written.
        StoreUnavailable: nobody answers.
    """
    return _run(client, f"BACKUP DATABASE {quote_identifier(client.settings.database)} TO", path)


def restore(client: Client, path: str, *, replace_rows: bool = False) -> BackupReport:
    """Read a database back, with its tables, views and rows.

    Args:
        client: of the store; its database must be absent or have no rows.
        path: as for `backup`.
        replace_rows: drop the database first, with the rows that it has.

    Raises:
        StoreError: there is no such backup, or the database has rows.
        StoreUnavailable: nobody answers.
    """
    name = quote_identifier(client.settings.database)
    with _outside(client) as outside:
        where = f"database = {quote_string(client.settings.database)} AND total_rows > 0 AND NOT ({_OWN})"
        filled = _ask(outside, f"SELECT name FROM system.tables WHERE {where} LIMIT 1")  # noqa: S608  (quoted)
        if filled and not replace_rows:
            raise StoreError(
                f"the database {client.settings.database!r} has rows (in {filled}): a backup is restored into an empty "
                "one. Set SIGHTLINE_STORE_DATABASE to another name, start with an empty SIGHTLINE_STORE_DATA_DIR, or "
                "give --replace to drop what the database holds now."
            )
        outside.command(f"DROP DATABASE IF EXISTS {name} SYNC")
    return _run(client, f"RESTORE DATABASE {name} FROM", path)


@contextmanager
def _outside(client: Client) -> Iterator[Client]:
    """The same store, asked from outside of the database, which may not exist."""
    outside = Client(replace(client.settings, database="default"))
    try:
        yield outside
    finally:
        outside.close()


def _run(client: Client, statement: str, path: str) -> BackupReport:
    with _outside(client) as outside:
        return _run_outside(outside, statement, path)


def _run_outside(client: Client, statement: str, path: str) -> BackupReport:
    try:
        key = _ask(client, f"{statement} File({quote_string(path)}) ASYNC").split("\t", 1)[0]
        while True:
            columns = "status, error, num_files, total_size"
            where = f"id = {quote_string(key)}"
            answer = _ask(client, f"SELECT {columns} FROM system.backups WHERE {where} LIMIT 1")  # noqa: S608  (quoted)
            status, error, files, size = answer.split("\t")
            if status in {"BACKUP_CREATED", "RESTORED"}:
                return BackupReport(path, int(files), int(size))
            if not status.startswith(("CREATING", "RESTORING")):
                raise StoreError(_sentence(path, error))
            time.sleep(_POLL_S)
    except QueryFailed as exc:
        raise StoreError(_sentence(path, exc.message)) from exc


def _ask(client: Client, sql: str) -> str:
    return client.query_bytes(sql, fmt="").decode().rstrip("\n")


def _sentence(path: str, error: str) -> str:
    if f"Code: {_EXISTS}" in error:
        return f"{path} exists already: a backup goes into a new folder"
    if f"Code: {_MISSING}" in error:
        return f"there is no backup {path} in the node's SIGHTLINE_STORE_BACKUP_DIR"
    if "allowed" in error:
        return f"{path} is not within the node's SIGHTLINE_STORE_BACKUP_DIR: give a name, or set that folder"
    return f"{path}: {error.splitlines()[0][:500]}"
