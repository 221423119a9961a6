"""chDB: connections, statements and their results.

One engine a process and one process a data folder. Statements on different connections run in parallel; one connection
runs one statement at a time, and its database and settings stay with it, so each is undone after a statement.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sightline_store.errors import QueryFailed, StoreError
from sightline_store.settings import NodeSettings

if TYPE_CHECKING:
    from chdb.state.sqlitelike import Connection

_CODE = re.compile(r"Code: (\d+)\. ")
_SETTINGS = re.compile(r"(.*?)(\bSETTINGS\b.*)?\Z", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class Statement:
    """One statement as a client sent it."""

    sql: str
    database: str = "default"
    settings: Mapping[str, str] | None = None
    params: Mapping[str, str] | None = None
    output_format: str = "TabSeparated"


class Engine:
    """The engine of this process."""

    def __init__(self, settings: NodeSettings) -> None:
        """Open the data folder.

        Raises:
            StoreError: another process owns the folder, or the engine cannot read it.
        """
        import chdb  # noqa: PLC0415  (installs signal handlers and threads: only where the engine is wanted)

        self._chdb = chdb
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        options = {
            "max_server_memory_usage": settings.max_memory_bytes,
            "mark_cache_size": 64 * 1024**2,
            "uncompressed_cache_size": 0,
            "background_pool_size": 2,
            "background_schedule_pool_size": 4,
        }
        self._path = f"{settings.data_dir.resolve()}?" + "&".join(f"{name}={value}" for name, value in options.items())
        self._lock = threading.Lock()
        self._idle: list[Session] = []
        try:
            self._idle.append(Session(self._connect()))
        except Exception as exc:
            raise StoreError(
                f"cannot open SIGHTLINE_STORE_DATA_DIR={settings.data_dir}: {exc}. "
                "One process owns a data folder: stop the other one, or choose another folder."
            ) from exc
        self.version = str(self.query_value("SELECT version()"))
        self.timezone = str(self.query_value("SELECT timezone()"))

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A connection for one statement; it goes back to the pool unless the statement broke it."""
        with self._lock:
            session = self._idle.pop() if self._idle else None
        session = session or self.open_session()
        try:
            yield session
        finally:
            if session.is_clean:
                with self._lock:
                    self._idle.append(session)
            else:
                session.close()

    def open_session(self) -> Session:
        """A connection of the caller's own, which keeps its database, settings and temporary tables."""
        return Session(self._connect())

    def query_value(self, sql: str) -> str:
        """The one value of a query, as text."""
        with self.session() as session:
            return b"".join(session.select(Statement(sql))).decode().rstrip("\n")

    def close(self) -> None:
        """Close the pool's connections. Call when no statement runs."""
        with self._lock:
            idle, self._idle = self._idle, []
        for session in idle:
            session.close()

    def _connect(self) -> Connection:
        with self._lock:
            return self._chdb.connect(self._path)


class Session:
    """One connection. Not for two threads at once."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._database = "default"
        self.is_clean = True

    def select(self, statement: Statement) -> Iterator[bytes]:
        """Run a statement that answers rows; yields them formatted, in pieces, in flat memory.

        Raises:
            QueryFailed: with ClickHouse's code and words; also after pieces have been yielded.
        """
        with self._prepared(statement), _translated():
            stream = self._connection.send_query(
                statement.sql, statement.output_format, params=dict(statement.params or {})
            )
            finished = False
            try:
                while (chunk := stream.fetch()) is not None and (piece := chunk.bytes()):
                    yield piece
                finished = True
            finally:
                if not finished:
                    self.is_clean = False
                    stream.cancel()

    def execute(self, statement: Statement) -> tuple[bytes, int]:
        """Run any statement to its end; returns its output and the rows that it read.

        Raises:
            QueryFailed: with ClickHouse's code and words.
        """
        with self._prepared(statement), _translated():
            result = self._connection.query(statement.sql, statement.output_format, params=dict(statement.params or {}))
            return result.bytes() or b"", int(result.storage_rows_read())

    def insert(self, statement: Statement, fmt: str, path: str) -> int:
        """Run an INSERT whose data stand in a file; returns the rows written.

        The engine's own streaming insert is not used: chDB 4.4.0 reports success where a table or a view refuses the
        rows, for example for too many partitions, and they are gone.

        Args:
            statement: INSERT INTO …, up to where FORMAT stands.
            fmt: the input format.
            path: of the file.

        Raises:
            QueryFailed: with ClickHouse's code and words.
        """
        into, settings = _SETTINGS.match(statement.sql).groups("")  # type: ignore[union-attr]
        sql = f"{into} FROM INFILE {quote_string(path)} {settings} FORMAT {fmt}"
        with self._prepared(statement), _translated():
            return int(self._connection.query(sql, "TabSeparated", params=dict(statement.params or {})).rows_read())

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    @contextmanager
    def _prepared(self, statement: Statement) -> Iterator[None]:
        """The session in the statement's database with its settings, both undone afterwards."""
        with _translated():
            if statement.database != self._database:
                self._connection.query(f"USE {quote_identifier(statement.database)}")
                self._database = statement.database
            settings = statement.settings or {}
            if settings:
                self._set(settings, quote_string)
        try:
            yield
        finally:
            if settings and self.is_clean:
                self._set(settings, lambda _: "DEFAULT")

    def _set(self, settings: Mapping[str, str], shown: Callable[[str], str]) -> None:
        pairs = ", ".join(f"{quote_identifier(name)} = {shown(value)}" for name, value in settings.items())
        self._connection.query(f"SET {pairs}")


@contextmanager
def _translated() -> Iterator[None]:
    """The engine's exceptions as ours, with ClickHouse's code."""
    try:
        yield
    except (RuntimeError, ValueError) as exc:
        raise _failure(exc) from exc
    except Exception as exc:
        if type(exc).__module__.startswith("chdb"):
            raise _failure(exc) from exc
        raise


def _failure(exc: Exception) -> QueryFailed:
    text = str(exc)
    found = _CODE.search(text)
    if found is None:
        return QueryFailed(1000, f"Code: 1000. DB::Exception: {text} (POCO_EXCEPTION)")
    return QueryFailed(int(found[1]), text[found.start() :])


def quote_string(text: str) -> str:
    """A ClickHouse string literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def quote_identifier(name: str) -> str:
    """A ClickHouse identifier in backticks."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"
