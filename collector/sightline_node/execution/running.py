"""Running statements: how many run at once, and their query ids, which the engine does not take from clients.

The engine names every statement by itself. Ours carries the client's id, behind its role and tenant, as its
`log_comment`, so KILL QUERY and system.processes are rewritten to look there. A reader's `a` and an admin's `a` are two
ids: they do not conflict, and neither can end the other.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace

from sightline_node import sql_lexer
from sightline_node.execution.engine import Engine, Outcome, Statement
from sightline_node.http.request import rejected
from sightline_node.readers.roles import READERS_AT_ONCE, Caller, Role
from sightline_node.settings import NodeSettings
from sightline_store.quoting import quote_string

_INTERNAL_ID = "Settings['log_comment']"
_CLIENT_ID = f"if(empty({_INTERNAL_ID}), query_id, replaceRegexpOne({_INTERNAL_ID}, '^(reader|admin)\\w*-', ''))"
_NO_PIPE = (
    r"replaceRegexpOne(query, '\n?(INTO OUTFILE|FROM INFILE) \'/proc/self/fd/\\d+\' ?(TRUNCATE )?"
    r"(COMPRESSION \'\\w+\' LEVEL \\d+ )?(/\\*default\\*/ FORMAT \\w+)?', '')"
)
_PROCESSES = (
    f"(SELECT * REPLACE ({_CLIENT_ID} AS query_id, {_CLIENT_ID} AS initial_query_id, {_NO_PIPE} AS query, "  # noqa: S608  (all are constants)
    "'HTTP' AS interface) FROM system.processes)"
)


class Running:
    """The running and waiting statements of a node."""

    def __init__(self, engine: Engine, settings: NodeSettings) -> None:
        self._engine = engine
        self._limit = settings.max_concurrent_queries
        self._queue_limit = settings.max_queued_queries
        self._places = asyncio.Semaphore(self._limit)
        self._readers_places = asyncio.Semaphore(min(READERS_AT_ONCE, self._limit - 1))
        self._waiting = 0
        self._ids: set[str] = set()
        self._writing = 0
        self._writes_allowed = asyncio.Event()
        self._writes_allowed.set()
        self._no_writes = asyncio.Event()
        self._no_writes.set()

    @asynccontextmanager
    async def place(self, role: Role = Role.ADMIN) -> AsyncIterator[None]:
        """Wait for a place to run. Readers get few places, so that INSERTs always find one, and memory.

        Raises:
            QueryRejected: 503, too many statements wait.
        """
        places = self._readers_places if role is Role.READER else self._places
        if self._waiting >= self._queue_limit and (places.locked() or self._places.locked()):
            raise rejected(
                503,
                202,
                f"Too many simultaneous queries: as many as may run do, and {self._waiting} wait. Try again later, or "
                "raise SIGHTLINE_STORE_MAX_CONCURRENT_QUERIES or SIGHTLINE_STORE_MAX_QUEUED_QUERIES",
                "TOO_MANY_SIMULTANEOUS_QUERIES",
            )
        async with contextlib.AsyncExitStack() as stack:
            self._waiting += 1
            try:
                if role is Role.READER:
                    await stack.enter_async_context(self._readers_places)
                await stack.enter_async_context(self._places)
            finally:
                self._waiting -= 1
            yield

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """Enter around a statement that may write; waits while writes are paused."""
        await self._writes_allowed.wait()
        self._writing += 1
        self._no_writes.clear()
        try:
            yield
        finally:
            self._writing -= 1
            if self._writing == 0:
                self._no_writes.set()

    @asynccontextmanager
    async def writes_paused(self) -> AsyncIterator[None]:
        """Wait until no write runs; none begins before this is left."""
        while not self._writes_allowed.is_set():
            await self._writes_allowed.wait()
        self._writes_allowed.clear()
        try:
            await self._no_writes.wait()
            yield
        finally:
            self._writes_allowed.set()

    @contextmanager
    def reserved_id(self, query_id: str) -> Iterator[None]:
        """Reserve a query id while its statement waits and runs.

        Raises:
            QueryRejected: 216, another statement has it.
        """
        if query_id in self._ids:
            raise rejected(
                500,
                216,
                f"Query with id = {_client_id(query_id)} is already running",
                "QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING",
            )
        self._ids.add(query_id)
        try:
            yield
        finally:
            self._ids.discard(query_id)

    def is_running(self, query_id: str) -> bool:
        """Whether a statement of that id waits or runs."""
        return query_id in self._ids

    def kill(self, query_id: str) -> None:
        """End the statement with this id, if it runs. Blocks for milliseconds."""
        with self._engine.session() as session:
            session.execute(Statement(f"KILL QUERY WHERE Settings['log_comment'] = {quote_string(query_id)} ASYNC"))

    def answer_kill(self, statement: Statement) -> Outcome:
        """Run a client's KILL QUERY, in which `query_id` means the client's ids.

        Raises:
            QueryFailed: as the engine words it.
        """
        shape = sql_lexer.shape(statement.sql)
        words = [t for t in sql_lexer.tokens(statement.sql) if t.kind == "word"]
        if len(words) < 2 or words[1].text.upper() != "QUERY":
            with self._engine.session() as session:
                return session.execute(statement)
        end = shape.format_span[0] if shape.format_name else shape.end
        sql = sql_lexer.replace_name(statement.sql[:end], "query_id", f"({_CLIENT_ID})")
        with self._engine.session() as session:
            ids = dict(
                line.split("\t", 1)
                for line in session.execute(
                    Statement("SELECT query_id, Settings['log_comment'] FROM system.processes FORMAT TSVRaw")
                )
                .output.decode()
                .splitlines()
            )
            killed = session.execute(replace(statement, sql=f"{sql} FORMAT JSONCompactEachRow")).output
            rows = [json.loads(line) for line in killed.splitlines()]
            # A wide condition also matches the statement that searches for them.
            shown = [(row[0], _client_id(ids[row[1]]), row[2], row[3]) for row in rows if ids.get(row[1])]
            values = ", ".join(f"({', '.join(quote_string(str(cell)) for cell in row)})" for row in shown)
            columns = "kill_status String, query_id String, user String, query String"
            source = f"values({quote_string(columns)}, {values})" if shown else f"null({quote_string(columns)})"
            fmt = shape.format_name or statement.output_format
            answer = f"SELECT * REPLACE ({_NO_PIPE} AS query) FROM {source} FORMAT {fmt}"  # noqa: S608  (quoted above)
            return session.execute(Statement(answer))


def internal_id(caller: Caller, query_id: str) -> str:
    """The id of a statement inside the node."""
    return f"{caller.label}-{query_id}"


def _client_id(internal: str) -> str:
    """The id that the client gave or got."""
    return internal.partition("-")[2]


def with_client_ids(sql: str) -> str:
    """A SELECT that reads system.processes, with the clients' query ids in it."""
    if "processes" not in sql.lower():
        return sql
    return sql_lexer.replace_table(sql, ("system", "processes"), _PROCESSES)
