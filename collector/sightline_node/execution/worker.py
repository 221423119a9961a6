"""Runs statements: in threads, on the right connection, with the rights of their sender, while the client waits."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar

from sightline_node.execution import kafka_tables, running, select_stream, sessions, snapshots
from sightline_node.execution.column_types import AnswerTypes, ColumnTypes
from sightline_node.execution.engine import Counts, Engine, Outcome, Session, Statement
from sightline_node.execution.freed_memory import FreedMemory
from sightline_node.execution.pipe import Pipe
from sightline_node.execution.upload import Upload
from sightline_node.http import encodings, native, request
from sightline_node.http.progress import Progress
from sightline_node.http.reply import Reply
from sightline_node.readers import access
from sightline_node.readers.roles import Caller, Role
from sightline_node.settings import NodeSettings
from sightline_store.quoting import quote_identifier, quote_string

_T = TypeVar("_T")
_CONTROL_THREADS = 4  # for work that must not wait behind statements: KILL QUERY, and the end of abandoned ones
_KILL_AGAIN_S = 0.2
# A reader's data are values: the format Values would otherwise evaluate them as SQL expressions.
_NO_EXPRESSIONS = {
    "input_format_values_interpret_expressions": "0",
    "input_format_values_deduce_templates_of_expressions": "0",
}


@dataclass(frozen=True)
class Job:
    """A query, its sender, and how it was sent."""

    query: request.Query
    caller: Caller
    method: str
    progress: Progress

    @property
    def role(self) -> Role:
        """The role of the sender."""
        return self.caller.role

    @property
    def has_block_info(self) -> bool:
        """Whether the answer is in Native and its client expects the block heads of a protocol version."""
        return self.is_native and native.needs_block_info(self.query.number("client_protocol_version", 0))

    @property
    def is_native(self) -> bool:
        """Whether the answer is in the format Native."""
        return self.query.answer_format == "Native"


class Worker:
    """Runs all statements of a node."""

    def __init__(self, engine: Engine, settings: NodeSettings) -> None:
        self._engine = engine
        self._folder = settings.data_dir
        self._max_body_bytes = settings.max_body_bytes
        self._threads = ThreadPoolExecutor(settings.max_concurrent_queries, thread_name_prefix="query")
        self._control = ThreadPoolExecutor(_CONTROL_THREADS, thread_name_prefix="control")
        self._running = running.Running(engine, settings)
        self._column_types = ColumnTypes()
        self._freed = FreedMemory(engine.give_back_memory, settings.engine_memory_bytes)
        self._sessions = sessions.Sessions(engine, settings.session_timeout_s)
        self._snapshots = snapshots.Snapshots(engine, self._running, settings.backups, self._in_control)

    @contextlib.asynccontextmanager
    async def reserved_id(self, query: request.Query) -> AsyncIterator[None]:
        """Reserve a query's id while it waits and runs; replace_running_query ends the statement that has it.

        Raises:
            QueryRejected: 216, another statement has it.
        """
        query_id = query.query_id
        if query.flag("replace_running_query"):
            while self._running.is_running(query_id):
                await self._in_control(lambda: self._running.kill(query_id))
                await asyncio.sleep(0.02)
        with self._running.reserved_id(query_id):
            yield

    async def select(self, job: Job, reply: Reply) -> None:
        """Answer a SELECT. Cancelling this ends the statement.

        Raises:
            QueryFailed: also after rows have been sent.
        """
        start = select_stream.Start()
        answer = AnswerTypes(self._column_types, job.query)

        def engine_encoding() -> str:
            return "" if job.is_native and _is_rewritten(job, answer) else reply.encoding

        with Pipe() as pipe:

            def write(session: Session, statement: Statement) -> Counts:
                start.take()
                if job.role is Role.ADMIN:  # a reader's statement must run as it was checked
                    statement = replace(statement, sql=running.with_client_ids(statement.sql))
                if job.is_native:
                    statement = answer.described(statement, session)
                return session.write(statement, pipe.path, engine_encoding)

            work = asyncio.ensure_future(self._execute(job, write))
            work.add_done_callback(lambda _: pipe.close_writer())
            source = select_stream.pieces(pipe)
            if job.is_native:
                source = _native(source, job, answer, reply)
            try:
                if job.query.flag("wait_end_of_query"):
                    await select_stream.send_waited(source, work, reply, self._folder)
                else:
                    await select_stream.send_streamed(source, work, reply)
            finally:
                if start.forbid():
                    work.cancel()
                else:
                    await asyncio.shield(self._end(work, pipe, job.query.query_id))

    async def insert(self, job: Job, rest: AsyncIterator[bytes]) -> Counts:
        """Run an INSERT; its data are the part of the body that has been read, and `rest`.

        Raises:
            QueryFailed: nothing of the body has been inserted, or the blocks before the bad one.
        """
        query = job.query
        if job.role is not Role.ADMIN:  # refuse it before any data are stored
            await self._in_control(lambda: self._authorized(job))
        with Upload(self._folder) as upload:
            upload.write(query.data)
            async for piece in rest:
                upload.write(piece)
            async with self._running.writing():
                return await self._execute(job, lambda s, st: s.insert(st, query.insert_format, upload.path))

    async def execute(self, job: Job) -> Outcome:
        """Run any other statement; its answer is held in memory.

        Raises:
            QueryFailed: as the engine words it.
        """
        kind = job.query.shape.kind
        if kind in {"KILL", "BACKUP"}:
            statement = await self._in_control(lambda: self._authorized(job))
            if kind == "BACKUP":
                return Outcome(await self._snapshots.run(statement), Counts())
            outcome = await self._in_control(lambda: self._running.answer_kill(statement))
        else:
            async with self._running.writing():
                try:
                    outcome = await self._execute(job, self._run)
                finally:
                    self._column_types.forget()
        if job.has_block_info:
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

    async def _end(self, work: asyncio.Future[Counts], pipe: Pipe, query_id: str) -> None:
        """Wait for a statement's end; if its rows are no longer read, end it first."""
        while not work.done():
            # Repeatedly: the statement may not be visible to the engine yet.
            await self._in_control(lambda: self._running.kill(query_id))
            drained = asyncio.ensure_future(select_stream.drain(pipe))
            await asyncio.wait({work}, timeout=_KILL_AGAIN_S)
            drained.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await drained
        if not work.cancelled():
            work.exception()  # marks the exception as retrieved

    async def _execute(self, job: Job, work: Callable[[Session, Statement], _T]) -> _T:
        """Run `work` in a thread, on the right connection, with the checked statement."""
        query = job.query
        if query.session_id:
            return await self._execute_in_session(job, work)

        def run() -> _T:
            request.check_data_formats(query, job.role)
            statement = self._authorized(job)
            # Tables that came with a query are made before the connection becomes readonly.
            connection_statement = replace(statement, settings=None, readonly=False) if query.externals else statement
            with self._engine.session_for(connection_statement) as session:
                self._load(session, job, statement)
                session.on_progress = job.progress
                job.progress.begin()
                return work(session, statement)

        async with self._running.place(job.role):
            return await self._in_thread(self._then_give_back(run))

    async def _execute_in_session(self, job: Job, work: Callable[[Session, Statement], _T]) -> _T:
        query, is_reader = job.query, job.role is Role.READER
        reserved_session = self._sessions.hold(
            job.caller,
            query.session_id,
            query.number("session_timeout", 0) or None,
            must_exist=query.flag("session_check"),
            ends=query.flag("close_session"),
        )
        async with self._running.place(job.role), reserved_session as client_session:

            def run() -> _T:
                request.check_data_formats(query, job.role)
                database = query.statement.database or client_session.database
                statement = replace(self._authorized(job, database), database=database)
                statement = client_session.adapted(statement, is_reader=is_reader)
                try:
                    self._load(client_session.session, job, statement)
                    client_session.session.on_progress = job.progress
                    job.progress.begin()
                    result = work(client_session.session, statement)
                    client_session.remember(statement)
                    return result
                finally:
                    client_session.session.on_progress = None
                    for external in query.externals:
                        name = quote_identifier(external.name)
                        client_session.session.execute(Statement(f"DROP TEMPORARY TABLE IF EXISTS {name}"))
                    client_session.restore(statement)

            return await self._in_thread(self._then_give_back(run))

    def _then_give_back(self, run: Callable[[], _T]) -> Callable[[], _T]:
        """The same, and what the statement has freed goes back to the system where that is much."""

        def run_and_give_back() -> _T:
            try:
                return run()
            finally:
                self._freed.after_statement()

        return run_and_give_back

    def _authorized(self, job: Job, database: str = "") -> Statement:
        statement = job.query.statement
        return access.authorize(
            job.caller,
            statement,
            database or statement.database,
            self._engine,
            method=job.method,
        )

    def _run(self, session: Session, statement: Statement) -> Outcome:
        kafka_tables.check(statement, statement.database, self._engine)
        return session.execute(statement)

    def _load(self, session: Session, job: Job, statement: Statement) -> None:
        """Make the tables that came with a query, with its settings for input formats."""
        settings = request.settings_of_data(statement.settings or {})
        if job.role is Role.READER:
            settings |= _NO_EXPRESSIONS
        pairs = ", ".join(f"{quote_identifier(key)} = {quote_string(value)}" for key, value in settings.items())
        for external in job.query.externals:
            name = quote_identifier(external.name)
            # The engine parses this string into names and types: no default, no other statement.
            source = f"null({quote_string(external.structure)})"
            session.execute(
                Statement(f"CREATE TEMPORARY TABLE {name} AS SELECT * FROM {source}", database=statement.database)  # noqa: S608  (quoted)
            )
            with Upload(self._folder) as upload:
                upload.write(external.data)
                into = f"INSERT INTO {name} SETTINGS {pairs}" if pairs else f"INSERT INTO {name}"
                session.insert(Statement(into), external.fmt, upload.path)
            session.has_own_names = True

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def _in_control(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._control, work)


def _is_rewritten(job: Job, answer: AnswerTypes) -> bool:
    """Whether the node rewrites an answer in Native; ask once the types are known."""
    return job.has_block_info or native.has_time_zones(answer.types)


async def _native(source: AsyncIterator[bytes], job: Job, answer: AnswerTypes, reply: Reply) -> AsyncIterator[bytes]:
    """An answer in Native as its client needs it; the engine has not compressed what is rewritten here."""
    first = await anext(source, b"")
    source = select_stream.after(first, source)
    if _is_rewritten(job, answer):
        if not encodings.is_own(reply.encoding):
            reply.encoding = ""
        source = native.rewritten(source, answer.types, has_head=job.has_block_info)
        if reply.encoding:
            source = encodings.encoded(source, reply.encoding)
    async for piece in source:
        yield piece
