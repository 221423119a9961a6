"""Runs statements: in threads, on the right connection, as their sender may, and for as long as somebody waits."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar

from sightline_node.execution import kafka_tables, running, select_stream, sessions, snapshots
from sightline_node.execution.engine import Counts, Engine, Outcome, Session, Statement, quote_identifier, quote_string
from sightline_node.execution.pipe import Pipe
from sightline_node.execution.upload import Upload
from sightline_node.http import native, request
from sightline_node.http.progress import Progress
from sightline_node.http.reply import Reply
from sightline_node.readers import access
from sightline_node.readers.roles import Role
from sightline_node.settings import NodeSettings
from sightline_store.errors import QueryFailed

_T = TypeVar("_T")
_CONTROL_THREADS = 4  # for what must not wait behind statements: KILL QUERY, and the end of abandoned ones
_KILL_AGAIN_S = 0.2
# A reader's data are values: Values would run what stands in them as SQL.
_NOTHING_RUNS = {
    "input_format_values_interpret_expressions": "0",
    "input_format_values_deduce_templates_of_expressions": "0",
}


@dataclass(frozen=True)
class Order:
    """What was asked, by whom and how."""

    query: request.Query
    role: Role
    method: str
    progress: Progress

    @property
    def has_block_info(self) -> bool:
        """Whether the client expects Native with the heads of a protocol version."""
        return native.is_asked_for(self.query.number("client_protocol_version", 0), self.query.answer_format)


class Worker:
    """All of a node's."""

    def __init__(self, engine: Engine, settings: NodeSettings) -> None:
        self._engine = engine
        self._folder = settings.data_dir
        self._max_body_bytes = settings.max_body_bytes
        self._threads = ThreadPoolExecutor(settings.max_concurrent_queries, thread_name_prefix="query")
        self._control = ThreadPoolExecutor(_CONTROL_THREADS, thread_name_prefix="control")
        self._running = running.Running(engine, settings)
        self._sessions = sessions.Sessions(engine, settings.session_timeout_s)
        self._snapshots = snapshots.Snapshots(engine, self._running, settings.backups, self._in_control)

    @contextlib.asynccontextmanager
    async def named(self, query: request.Query) -> AsyncIterator[None]:
        """Hold a query's id while it waits and runs; one that runs under it is ended first, where that was asked for.

        Raises:
            QueryRejected: 216, another statement has it.
        """
        query_id = query.query_id
        if query.flag("replace_running_query"):
            while self._running.is_running(query_id):
                await self._in_control(lambda: self._running.kill(query_id))
                await asyncio.sleep(0.02)
        with self._running.named(query_id):
            yield

    async def select(self, order: Order, reply: Reply) -> None:
        """Answer a SELECT. Where this is cancelled, the statement is ended.

        Raises:
            QueryFailed: also after rows have been sent.
        """
        start = select_stream.Start()
        with Pipe() as pipe:

            def write(session: Session, statement: Statement) -> Counts:
                start.take()
                if order.role is Role.ADMIN:  # a text that changes after it has been judged is no reader's
                    statement = replace(statement, sql=running.with_own_ids(statement.sql))
                return session.write(statement, pipe.path, reply.encoding)

            work = asyncio.ensure_future(self._execute(order, write))
            work.add_done_callback(lambda _: pipe.close_writer())
            source = select_stream.pieces(pipe)
            if order.has_block_info:
                source = native.with_block_info(source, lambda: self._kinds(order))
            try:
                if order.query.flag("wait_end_of_query"):
                    await select_stream.send_waited(source, work, reply, self._folder)
                else:
                    await select_stream.send_streamed(source, work, reply)
            finally:
                if start.forbid():
                    work.cancel()
                else:
                    await asyncio.shield(self._end(work, pipe, order.query.query_id))

    async def insert(self, order: Order, rest: AsyncIterator[bytes]) -> Counts:
        """Run an INSERT; its data are what has been read of the body, and `rest`.

        Raises:
            QueryFailed: nothing of the body has been inserted, or the blocks before the bad one.
        """
        query = order.query
        if order.role is not Role.ADMIN:  # refused before anything is kept of its data
            await self._in_control(lambda: self._authorized(order))
        with Upload(self._folder) as upload:
            upload.write(query.data)
            async for piece in rest:
                upload.write(piece)
            async with self._running.writing():
                return await self._execute(order, lambda s, st: s.insert(st, query.insert_format, upload.path))

    async def execute(self, order: Order) -> Outcome:
        """Run any other statement; its answer is held in memory.

        Raises:
            QueryFailed: as the engine words it.
        """
        kind = order.query.shape.kind
        if kind in {"KILL", "BACKUP"}:
            statement = await self._in_control(lambda: self._authorized(order))
            if kind == "BACKUP":
                return Outcome(await self._snapshots.run(statement), Counts())
            outcome = await self._in_control(lambda: self._running.answer_kill(statement))
        else:
            async with self._running.writing():
                outcome = await self._execute(order, self._run)
        if order.has_block_info:
            return replace(outcome, output=native.whole_with_block_info(outcome.output))
        return outcome

    async def decoded(self, packed: Upload, encoding: str) -> Upload:
        """A body in an encoding that only the engine speaks; the caller closes what is returned.

        Raises:
            QueryFailed: it cannot be decompressed.
        """
        source = f"file({quote_string(packed.path)}, 'RawBLOB', 'x String', {quote_string(encoding)})"
        statement = Statement(f"SELECT x FROM {source}", output_format="RawBLOB")  # noqa: S608  (quoted)
        plain = Upload(self._folder, self._max_body_bytes)
        try:
            with Pipe() as pipe:

                def decode() -> None:
                    with self._engine.session() as session:
                        session.write(statement, pipe.path)

                async with self._running.place():
                    work = asyncio.ensure_future(self._in_thread(decode))
                    work.add_done_callback(lambda _: pipe.close_writer())
                    async for piece in select_stream.pieces(pipe):
                        plain.write(piece)
                    await work
        except BaseException:
            plain.close()
            raise
        return plain

    async def _kinds(self, order: Order) -> list[str]:
        """The types of a SELECT's columns; none where it cannot be asked apart from its session and its data."""
        query, shape = order.query, order.query.shape
        if query.session_id or query.externals:
            return []
        start, end = shape.format_span
        sql = query.statement.sql
        select = f"{sql[:start]} {sql[end : shape.end]}" if shape.format_name else sql[: shape.end]

        def ask() -> bytes:
            statement = replace(
                self._authorized(order),
                sql=f"DESCRIBE TABLE ({select}\n)",
                output_format="JSONCompactEachRow",
                query_id="",
            )
            with self._engine.session_for(statement) as session:
                return session.execute(statement).output

        try:
            described = await self._in_control(ask)
        except QueryFailed:
            return []
        return [json.loads(line)[1] for line in described.splitlines()]

    async def _end(self, work: asyncio.Future[Counts], pipe: Pipe, query_id: str) -> None:
        """Wait for a statement's end; where nobody reads its rows any more it is ended first."""
        while not work.done():
            # Again and again: it may not have come to where the engine can see it.
            await self._in_control(lambda: self._running.kill(query_id))
            drained = asyncio.ensure_future(select_stream.drain(pipe))
            await asyncio.wait({work}, timeout=_KILL_AGAIN_S)
            drained.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await drained
        if not work.cancelled():
            work.exception()  # looked at, wherever it was not raised

    async def _execute(self, order: Order, work: Callable[[Session, Statement], _T]) -> _T:
        """Run `work` in a thread, on the right connection, with the statement as its sender may run it."""
        query = order.query
        if query.session_id:
            return await self._execute_in_session(order, work)

        def run() -> _T:
            request.check_data_formats(query, order.role)
            statement = self._authorized(order)
            # Tables that came with a query are made before nothing can be changed any more.
            opened = replace(statement, settings=None, readonly=False) if query.externals else statement
            with self._engine.session_for(opened) as session:
                self._load(session, order, statement)
                session.on_progress = order.progress
                order.progress.begin()
                return work(session, statement)

        async with self._running.place(order.role):
            return await self._in_thread(run)

    async def _execute_in_session(self, order: Order, work: Callable[[Session, Statement], _T]) -> _T:
        query, is_reader = order.query, order.role is Role.READER
        held = self._sessions.hold(
            f"{order.role.value} {query.session_id}",  # a reader's session is no admin's: each has its own of a name
            query.number("session_timeout", 0) or None,
            must_exist=query.flag("session_check"),
            ends=query.flag("close_session"),
        )
        async with self._running.place(order.role), held as named:

            def run() -> _T:
                request.check_data_formats(query, order.role)
                database = query.statement.database or named.database
                statement = replace(self._authorized(order, database), database=database)
                statement = named.entered(statement, is_reader=is_reader)
                try:
                    self._load(named.session, order, statement)
                    named.session.on_progress = order.progress
                    order.progress.begin()
                    result = work(named.session, statement)
                    named.note(statement)
                    return result
                finally:
                    named.session.on_progress = None
                    for external in query.externals:
                        name = quote_identifier(external.name)
                        named.session.execute(Statement(f"DROP TEMPORARY TABLE IF EXISTS {name}"))
                    named.undo(statement)

            return await self._in_thread(run)

    def _authorized(self, order: Order, database: str = "") -> Statement:
        statement = order.query.statement
        return access.authorize(
            order.role,
            statement,
            database or statement.database,
            self._engine,
            method=order.method,
        )

    def _run(self, session: Session, statement: Statement) -> Outcome:
        kafka_tables.check(statement, statement.database, self._engine)
        return session.execute(statement)

    def _load(self, session: Session, order: Order, statement: Statement) -> None:
        """Make the tables that came with a query, under its settings as far as they say how data are read."""
        settings = request.settings_of_data(statement.settings or {})
        if order.role is Role.READER:
            settings |= _NOTHING_RUNS
        pairs = ", ".join(f"{quote_identifier(key)} = {quote_string(value)}" for key, value in settings.items())
        for external in order.query.externals:
            name = quote_identifier(external.name)
            # Columns as a string that the engine parses into names and types: no default, no other statement.
            source = f"null({quote_string(external.structure)})"
            session.execute(
                Statement(f"CREATE TEMPORARY TABLE {name} AS SELECT * FROM {source}", database=statement.database)  # noqa: S608  (quoted)
            )
            with Upload(self._folder) as upload:
                upload.write(external.data)
                into = f"INSERT INTO {name} SETTINGS {pairs}" if pairs else f"INSERT INTO {name}"
                session.insert(Statement(into), external.fmt, upload.path)

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def _in_control(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._control, work)
