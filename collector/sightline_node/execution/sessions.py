"""Named sessions: settings, database and temporary tables of a session_id, until it is idle for too long.

Settings and database in a URL apply to one statement; afterwards those of the session's own SET and USE apply again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise

from sightline_node import sql_lexer
from sightline_node.execution.engine import Engine, Outcome, Session, Statement
from sightline_node.http.request import rejected
from sightline_node.readers.roles import Caller
from sightline_store.quoting import quote_string

_MAX_SESSIONS = 512
_MAX_TIMEOUT_S = 3600.0


class NamedSession:
    """A connection with the settings and the database of its own SET and USE statements."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.lock = asyncio.Lock()
        self.used_at = time.monotonic()
        self.timeout_s = 0.0
        self.database = "default"
        self._is_readonly = False
        self._settings: dict[str, str | None] = {}

    def adapted(self, statement: Statement, *, is_reader: bool) -> Statement:
        """The statement as it runs in this session.

        A session cannot leave readonly mode: a reader's is in it from the first statement on, an admin's never, whose
        GET requests have been checked on the parser's tree.
        """
        settings = {name: value for name, value in (statement.settings or {}).items() if name != "readonly"}
        if is_reader and not self._is_readonly:
            self.session.set({"readonly": "2"})
            self._is_readonly = True
        return replace(statement, settings=settings, readonly=False)

    def remember(self, statement: Statement) -> None:
        """Remember what a statement has changed: SET and USE remain in effect."""
        shape = sql_lexer.shape(statement.sql)
        kind = shape.kind
        self.session.has_own_names = self.session.has_own_names or not (shape.is_read or kind == "INSERT")
        if kind == "USE":
            self.database = self._value("SELECT currentDatabase()")
        elif kind == "SET":
            words = list(sql_lexer.tokens(statement.sql))
            for name, sign in pairwise(words):
                if sign.text == "=" and name.kind in {"word", "quoted"}:
                    plain = name.text.strip('`"')
                    self._settings[plain] = self._value(f"SELECT toString(getSetting({quote_string(plain)}))")

    def restore(self, statement: Statement) -> None:
        """Restore the settings and the database of the session's own statements."""
        names = [*(statement.settings or {}), "log_comment"]
        self.session.set({name: self._settings.get(name) for name in names})
        if statement.database and statement.database != self.database:
            self.session.execute(Statement("SELECT 1", database=self.database))

    def _value(self, sql: str) -> str:
        outcome: Outcome = self.session.execute(Statement(sql, output_format="RawBLOB"))
        return outcome.output.decode()


class Sessions:
    """All sessions of a node."""

    def __init__(self, engine: Engine, timeout_s: float) -> None:
        self._engine = engine
        self._timeout_s = timeout_s
        self._named: dict[str, NamedSession] = {}

    @asynccontextmanager
    async def hold(
        self,
        caller: Caller,
        session_id: str,
        timeout_s: float | None = None,
        *,
        must_exist: bool = False,
        ends: bool = False,
    ) -> AsyncIterator[NamedSession]:
        """Reserve the session of that name for one statement.

        Args:
            caller: whose it is: clients with other rights have other sessions of the same name.
            session_id: the client's name of it.
            timeout_s: seconds of idleness after which it is dropped; None for the node's setting.
            must_exist: refuse to make a new one.
            ends: close it afterwards.

        Raises:
            QueryRejected: 372 there is none, 373 it is in use, 202 there are too many.
        """
        self._drop_stale()
        name = f"{caller.label} {session_id}"
        client_session = self._named.get(name)
        if client_session is None:
            if must_exist:
                raise rejected(404, 372, f"Session {session_id!r} not found", "SESSION_NOT_FOUND")
            if len(self._named) >= _MAX_SESSIONS:
                raise rejected(503, 202, f"there are {_MAX_SESSIONS} sessions", "TOO_MANY_SIMULTANEOUS_QUERIES")
            client_session = self._named[name] = NamedSession(self._engine.open_session(caller))
        if client_session.lock.locked():
            raise rejected(500, 373, f"Session {session_id!r} is locked by a concurrent client", "SESSION_IS_LOCKED")
        async with client_session.lock:
            client_session.timeout_s = min(self._timeout_s if timeout_s is None else timeout_s, _MAX_TIMEOUT_S)
            try:
                yield client_session
            finally:
                client_session.used_at = time.monotonic()
                if ends:
                    self._drop(name)

    def _drop_stale(self) -> None:
        now = time.monotonic()
        for session_id, client_session in list(self._named.items()):
            if not client_session.lock.locked() and now - client_session.used_at > client_session.timeout_s:
                self._drop(session_id)

    def _drop(self, session_id: str) -> None:
        client_session = self._named.pop(session_id, None)
        if client_session is not None:
            client_session.session.close()
