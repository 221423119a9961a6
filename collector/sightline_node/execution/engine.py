"""chDB: connections, statements and their results.

One engine a process and one process a data folder. Statements on different connections run in parallel; one connection
runs one statement at a time. A connection costs an eighth of a millisecond, so each statement has one of its own and
no setting, database or temporary table of it affects another; only a client's named session keeps a connection.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sightline_node import access_folder, sql_lexer
from sightline_node.execution import data_folder
from sightline_node.readers import engine_roles
from sightline_node.readers.roles import Caller, reader_limits
from sightline_node.settings import NodeSettings
from sightline_store.errors import QueryFailed, StoreError
from sightline_store.quoting import quote_identifier, quote_string
from sightline_store.schema import tenants

if TYPE_CHECKING:
    from chdb.state.sqlitelike import Connection

_CODE = re.compile(r"Code: (\d+)\. ")
_PLAIN_ID = re.compile(r"[\w-]{1,100}\Z", re.ASCII)
# Settings that a connection can be opened with; setting them by SET would take a quarter of the time of a small SELECT.
# All of them exist: the engine does not refuse an unknown one here.
_CONNECTION_OPTIONS = frozenset(
    {
        "cast_string_to_dynamic_use_inference", "date_time_input_format", "max_threads", "readonly",
        *reader_limits(1024**3),
    }
)  # fmt: skip
# The engine's names of compressions, with levels that keep up with a network.
_LEVELS = {"gzip": 3, "deflate": 3, "zstd": 1, "lz4": 1, "br": 1, "xz": 1, "snappy": 1}
_EVERY_CONNECTION = (
    # The engine wants a free GiB a thread by default, which under the node's cap leaves one thread for any statement.
    "max_threads_min_free_memory_per_thread=0",
    # Else a pool of threads reads the index of each part by itself. To hand a part over takes longer than to read its
    # index, above all in a confined process, where the kernel refuses each thread a file of /proc that it asks for: a
    # question about a month of days is a tenth faster without.
    "max_threads_for_indexes=1",
)
_DENIED = re.compile(r"errno: 13\b|Permission denied")
_DENIED_HINT = (
    "The node is confined to its data folder and to no network unless SIGHTLINE_STORE_ALLOW_READ, "
    "SIGHTLINE_STORE_ALLOW_WRITE and SIGHTLINE_STORE_ALLOW_CONNECT name more"
)
NOT_SENT = "/*default*/"
"""Stands before a FORMAT that the node has added."""


@dataclass(frozen=True)
class Statement:
    """One statement as a client sent it.

    Attributes:
        sql: its text, without data.
        database: the one that unqualified names mean; '' where the client named none.
        settings: of this statement alone.
        params: values of {name:Type} places, escaped as in TabSeparated.
        output_format: of the answer where the statement names none.
        query_id: identifies it while it runs.
        readonly: nothing but reading, as for GET.
        runs_as: the reader in whose role of the engine it runs; None runs it with all rights.
        check: runs on the statement's connection before the statement, and raises if it may not run. It is called with
            a function that answers further statements on that connection.
    """

    sql: str
    database: str = ""
    settings: Mapping[str, str] | None = None
    params: Mapping[str, str] | None = None
    output_format: str = "TabSeparated"
    query_id: str = ""
    readonly: bool = False
    runs_as: Caller | None = None
    check: Callable[[Callable[[str], bytes]], None] | None = None


@dataclass(frozen=True)
class Counts:
    """What a statement did: rows and bytes read from storage, written (views included) and answered."""

    read_rows: int = 0
    read_bytes: int = 0
    written_rows: int = 0
    written_bytes: int = 0
    result_rows: int = 0
    result_bytes: int = 0
    total_rows: int = 0


@dataclass(frozen=True)
class Outcome:
    """A statement's answer and what it did."""

    output: bytes
    counts: Counts


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
        before = data_folder.check(settings.data_dir, str(chdb.engine_version))
        self._path = str(settings.data_dir.resolve())
        self.reader_databases = frozenset(settings.reader_databases)
        self.reader_limits = reader_limits(settings.engine_memory_bytes)
        configuration = access_folder.write_configuration(settings)
        self._lock = threading.Lock()
        try:
            # Kept open: the engine ends with its last connection, and its options are those of the first.
            self._anchor = self._connect(
                f"config-file={configuration}", *(f"{name}={value}" for name, value in _options(settings).items())
            )
        except Exception as exc:
            raise StoreError(
                f"cannot open SIGHTLINE_STORE_DATA_DIR={settings.data_dir}: {exc}. "
                "One process owns a data folder: stop the other one, or choose another folder."
            ) from exc
        self.version = str(self.query_value("SELECT version()"))
        self._make_access_views()
        data_folder.stamp(settings.data_dir, self.version, before)
        self.timezone = str(self.query_value("SELECT timezone()"))

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A connection for one statement."""
        session = self.open_session()
        try:
            yield session
        finally:
            session.close()

    @contextmanager
    def session_for(self, statement: Statement) -> Iterator[Session]:
        """A connection for one statement, opened with its id and, where they are plain, its database and settings."""
        options, fixed = _plain(statement), engine_roles.connection_options(statement.runs_as)
        try:
            connection = self._connect(*fixed, *(f"{name}={value}" for name, value in options.items()))
        except QueryFailed:  # the statement's own SET has a better message
            options, connection = {}, self._connect(*fixed)
        session = Session(connection, options)
        try:
            yield session
        finally:
            session.close()

    def open_session(self, caller: Caller | None = None) -> Session:
        """A connection that keeps its database, settings and temporary tables, for the statements of one client."""
        return Session(self._connect(*engine_roles.connection_options(caller)))

    def query_value(self, sql: str) -> str:
        """The one value of a query, as text."""
        with self.session() as session:
            return session.execute(Statement(sql)).output.decode().rstrip("\n")

    def give_back_memory(self) -> None:
        """Let the allocator return to the system what statements have freed. Not every build of the engine can."""
        with suppress(QueryFailed), self.session() as session:
            session.execute(Statement("SYSTEM JEMALLOC PURGE"))

    def _make_access_views(self) -> None:
        """Make the views that row policies read: in memory, so they are no part of the data."""
        with self.session() as session:
            session.execute(Statement(f"CREATE DATABASE IF NOT EXISTS {tenants.DATABASE} ENGINE = Memory"))
            for database in engine_roles.tenant_databases(self.reader_databases):
                for view in tenants.access_views(database, engine_roles.USER).values():
                    session.execute(Statement(view))

    def close(self) -> None:
        """Close the engine. Call when no statement runs."""
        self._anchor.close()

    def _connect(self, *options: str) -> Connection:
        with self._lock, _translated():
            return self._chdb.connect(f"{self._path}?{'&'.join((*_EVERY_CONNECTION, *options))}")


class Session:
    """One connection. Not thread-safe."""

    def __init__(self, connection: Any, options: Mapping[str, str] | None = None) -> None:
        """Use an open connection.

        Args:
            connection: of the engine.
            options: settings that it was opened with, `database` and the id as `log_comment` among them.
        """
        self._connection = connection
        self._options = dict(options or {})
        self.on_progress: Callable[[Mapping[str, int]], None] | None = None
        self.has_own_names = False
        """Whether it may have temporary tables, settings or a database that a new connection does not have."""

    def execute(self, statement: Statement) -> Outcome:
        """Run any statement to its end; its answer is held in memory.

        Raises:
            QueryFailed: with ClickHouse's code and words.
        """
        with self._prepared(statement):
            return self._query(statement.sql, statement)

    def write(self, statement: Statement, path: str, compression: Callable[[], str] = str) -> Counts:
        """Run a SELECT, and let the engine write its answer into a file or pipe, formatted as a whole.

        Args:
            statement: a SELECT without INTO OUTFILE.
            path: what to open for it.
            compression: returns gzip, deflate, zstd, lz4, br, xz, snappy or ''; called after the statement's check.

        Raises:
            QueryFailed: with ClickHouse's code and words; also after a part has been written.
        """
        with self._prepared(statement):
            sql = into_file(statement.sql, statement.output_format, path, compression())
            return self._query(sql, statement).counts

    def insert(self, statement: Statement, fmt: str, path: str) -> Counts:
        """Run an INSERT whose data stand in a file.

        The engine's own streaming insert is not used: chDB 4.4.0 reports success where a table or a view refuses the
        rows, for example for too many partitions, and they are gone.

        Args:
            statement: INSERT INTO …, up to where FORMAT stands.
            fmt: the input format.
            path: of the file.

        Raises:
            QueryFailed: with ClickHouse's code and words.
        """
        sql = sql_lexer.replace_call(statement.sql, "input", f"file({quote_string(path)}, {quote_string(fmt)}, ")
        if sql == statement.sql:
            words = (token for token in sql_lexer.tokens(sql) if token.kind == "word")
            at = next((word.start for word in words if word.text.upper() == "SETTINGS"), len(sql))
            sql = f"{sql[:at]} FROM INFILE {quote_string(path)} {sql[at:]} FORMAT {fmt}"
        with self._prepared(statement):
            return self._query(sql, statement).counts

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _query(self, sql: str, statement: Statement) -> Outcome:
        if self.on_progress is not None:
            self._connection.set_progress_callback(self.on_progress)
        try:
            result = self._connection.query(sql, statement.output_format, params=dict(statement.params or {}))
        finally:
            if self.on_progress is not None:
                self._connection.set_progress_callback(None)
        counts = Counts(
            read_rows=int(result.storage_rows_read()),
            read_bytes=int(result.storage_bytes_read()),
            written_rows=int(result.rows_written()),
            written_bytes=int(result.bytes_written()),
            result_rows=int(result.rows_read()),
            result_bytes=int(result.bytes_read()),
        )
        return Outcome(result.bytes() or b"", counts)

    @contextmanager
    def _prepared(self, statement: Statement) -> Iterator[None]:
        """The connection with the statement's database and settings, which remain after it."""
        with _translated():
            if statement.database and statement.database != self._options.get("database"):
                self._connection.query(f"USE {quote_identifier(statement.database)}")
            settings = _settings(statement)
            if missing := {name: value for name, value in settings.items() if self._options.get(name) != value}:
                self.set(missing)
            if statement.runs_as is not None:
                self._connection.query(f"SET ROLE {engine_roles.role(statement.runs_as)}")
            if statement.check is not None:
                statement.check(lambda sql: self._ask(sql, statement.params or {}))
            yield

    def _ask(self, sql: str, params: Mapping[str, str]) -> bytes:
        """Answer a statement of the node's own on this connection, with its current settings and role."""
        with _translated():
            return self._connection.query(sql, "TSVRaw", params=dict(params)).bytes() or b""

    def set(self, settings: Mapping[str, str | None]) -> None:
        """SET them; None is the default.

        Raises:
            QueryFailed: there is no such setting, or it cannot have that value.
        """
        pairs = ", ".join(
            f"{quote_identifier(name)} = {'DEFAULT' if value is None else quote_string(value)}"
            for name, value in settings.items()
        )
        with _translated():
            self._connection.query(f"SET {pairs}")


def into_file(sql: str, output_format: str, path: str, compression: str = "") -> str:
    """A SELECT whose answer goes into a file; in the format it names, else in `output_format`."""
    shape = sql_lexer.shape(sql)
    if shape.format_name:
        start, end = shape.format_span
        head, clause, tail = sql[:start], f"FORMAT {shape.format_name}", sql[end : shape.end]
    else:
        head, clause, tail = sql[: shape.end], f"{NOT_SENT} FORMAT {output_format}", ""
    squeeze = f"COMPRESSION '{compression}' LEVEL {_LEVELS[compression]} " if compression else ""
    return f"{head}\nINTO OUTFILE {quote_string(path)} TRUNCATE {squeeze}{clause}{tail}"


def _settings(statement: Statement) -> dict[str, str]:
    """All settings that a statement runs with."""
    settings = dict(statement.settings or {})
    if statement.query_id:
        settings["log_comment"] = statement.query_id
    if statement.readonly and not settings.get("readonly", "0").strip("0"):
        settings["readonly"] = "2"
    return settings


def _plain(statement: Statement) -> dict[str, str]:
    """The options to open a statement's connection with.

    All of its settings, or none but the id: after `readonly` no other setting can be set.
    """
    settings = _settings(statement)
    if not all(name in _CONNECTION_OPTIONS or name == "log_comment" for name in settings) or not all(
        _PLAIN_ID.match(value) for value in settings.values()
    ):
        settings = {name: value for name, value in settings.items() if name == "log_comment" and _PLAIN_ID.match(value)}
    if _PLAIN_ID.match(statement.database):
        settings["database"] = statement.database
    return settings


def _options(settings: NodeSettings) -> dict[str, str | int]:
    """The engine's options: it shares a machine, so nothing may grow with the machine's size."""
    return {
        "max_server_memory_usage": settings.engine_memory_bytes,
        "mark_cache_size": 64 * 1024**2,
        "primary_index_cache_size": 64 * 1024**2,
        "index_mark_cache_size": 16 * 1024**2,
        "index_uncompressed_cache_size": 0,
        "uncompressed_cache_size": 0,
        "mmap_cache_size": 256,
        "compiled_expression_cache_size": 32 * 1024**2,
        "query_condition_cache_size": 16 * 1024**2,
        "text_index_tokens_cache_size": 32 * 1024**2,
        "text_index_header_cache_size": 32 * 1024**2,
        "text_index_postings_cache_size": 64 * 1024**2,
        "vector_similarity_index_cache_size": 64 * 1024**2,
        "parquet_metadata_cache_size": 16 * 1024**2,
        "iceberg_metadata_files_cache_size": 0,
        "background_pool_size": 2,
        "background_schedule_pool_size": 4,
        "background_common_pool_size": 2,
        "background_move_pool_size": 1,
        "background_fetches_pool_size": 1,
        "async_insert_threads": 2,
        "max_backups_io_thread_pool_size": 4,
        "backup_threads": 2,
        "restore_threads": 2,
        "backups.allowed_path": str(settings.backups),
        # How long the brokers wait for a killed consumer before they give its partitions to the next one.
        "kafka.session_timeout_ms": 10_000,
    }


@contextmanager
def _translated() -> Iterator[None]:
    """Translate the engine's exceptions into QueryFailed with ClickHouse's code."""
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
    match = _CODE.search(text)
    if match is None:
        return QueryFailed(1000, f"Code: 1000. DB::Exception: {text} (POCO_EXCEPTION)")
    if _DENIED.search(text):
        text = f"{text.rstrip()} {_DENIED_HINT}"
    return QueryFailed(int(match[1]), text[match.start() :])
