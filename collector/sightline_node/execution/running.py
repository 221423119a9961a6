"""What runs now: a bounded number, by the client's query ids, which the engine itself does not take.

The engine names every statement by itself. Ours carries the client's id, behind its role, as its `log_comment`, so KILL
QUERY and system.processes are rewritten to look there. A reader's `a` and an admin's `a` are two ids: neither is in the
other's way, and neither can end the other.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace

from sightline_node import sql_lexer
from sightline_node.execution.engine import Engine, Outcome, Statement, quote_string
from sightline_node.http.request import rejected
from sightline_node.readers.roles import READERS_AT_ONCE, Role
from sightline_node.settings import NodeSettings

_OWN_COMMENT = "Settings['log_comment']"
_OUR_ID = f"if(empty({_OWN_COMMENT}), query_id, replaceRegexpOne({_OWN_COMMENT}, '^(reader|admin)-', ''))"
_NO_PIPE = (
    r"replaceRegexpOne(query, '\n?(INTO OUTFILE|FROM INFILE) \'/proc/self/fd/\\d+\' ?(TRUNCATE )?"
    r"(COMPRESSION \'\\w+\' LEVEL \\d+ )?(/\\*default\\*/ FORMAT \\w+)?', '')"
)
_PROCESSES = (
    f"(SELECT * REPLACE ({_OUR_ID} AS query_id, {_OUR_ID} AS initial_query_id, {_NO_PIPE} AS query, "  # noqa: S608  (all are constants)
    "'HTTP' AS interface) FROM system.processes)"
)


class Running:
    """All of a node's statements."""

    def __init__(self, engine: Engine, settings: NodeSettings) -> None:
        self._engine = engine
        self._limit = settings.max_concurrent_queries
        self._queue_limit = settings.max_queued_queries
        self._places = asyncio.Semaphore(self._limit)
        self._readers_places = asyncio.Semaphore(min(READERS_AT_ONCE, self._limit - 1))
        self._waiting = 0
        self._ids: set[str] = set()
        self._writing = 0
        self._may_write = asyncio.Event()
        self._may_write.set()
        self._none_writes = asyncio.Event()
        self._none_writes.set()

    @asynccontextmanager
    async def place(self, role: Role = Role.ADMIN) -> AsyncIterator[None]:
        """A place to run in. Readers get few of them, so that what writes finds one, and memory, however much is read.

        Raises:
            QueryRejected: 503, as many as may wait do.
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
        async with contextlib.AsyncExitStack() as held:
            self._waiting += 1
            try:
                if role is Role.READER:
                    await held.enter_async_context(self._readers_places)
                await held.enter_async_context(self._places)
            finally:
                self._waiting -= 1
            yield

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """Around a statement that may write; waits while all is to be still."""
        await self._may_write.wait()
        self._writing += 1
        self._none_writes.clear()
        try:
            yield
        finally:
            self._writing -= 1
            if self._writing == 0:
                self._none_writes.set()

    @asynccontextmanager
    async def still(self) -> AsyncIterator[None]:
        """Between two writes: none runs, and none begins before this is left."""
        while not self._may_write.is_set():
            await self._may_write.wait()
        self._may_write.clear()
        try:
            await self._none_writes.wait()
            yield
        finally:
            self._may_write.set()

    @contextmanager
    def named(self, query_id: str) -> Iterator[None]:
        """Hold a query id while its statement waits and runs.

        Raises:
            QueryRejected: 216, another statement has it.
        """
        if query_id in self._ids:
            raise rejected(
                500,
                216,
                f"Query with id = {_of_client(query_id)} is already running",
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
        """Run a client's KILL QUERY, where `query_id` is a client's.

        Raises:
            QueryFailed: as the engine words it.
        """
        shape = sql_lexer.shape(statement.sql)
        words = [t for t in sql_lexer.tokens(statement.sql) if t.kind == "word"]
        if len(words) < 2 or words[1].text.upper() != "QUERY":
            with self._engine.session() as session:
                return session.execute(statement)
        end = shape.format_span[0] if shape.format_name else shape.end
        sql = sql_lexer.replace_name(statement.sql[:end], "query_id", f"({_OUR_ID})")
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
            # The statement that looks for them is one of them where the condition is wide.
            shown = [(row[0], _of_client(ids[row[1]]), row[2], row[3]) for row in rows if ids.get(row[1])]
            values = ", ".join(f"({', '.join(quote_string(str(cell)) for cell in row)})" for row in shown)
            columns = "kill_status String, query_id String, user String, query String"
            source = f"values({quote_string(columns)}, {values})" if shown else f"null({quote_string(columns)})"
            fmt = shape.format_name or statement.output_format
            answer = f"SELECT * REPLACE ({_NO_PIPE} AS query) FROM {source} FORMAT {fmt}"  # noqa: S608  (quoted above)
            return session.execute(Statement(answer))


def own_id(role: Role, query_id: str) -> str:
    """The id of a statement inside the node."""
    return f"{role.value}-{query_id}"


def _of_client(own: str) -> str:
    """The id as its client knows it."""
    return own.partition("-")[2]


def with_own_ids(sql: str) -> str:
    """A SELECT that reads system.processes, with the clients' query ids in it."""
    if "processes" not in sql.lower():
        return sql
    return sql_lexer.replace_table(sql, ("system", "processes"), _PROCESSES)
