"""Who may send statements to the embedded node, and which.

Three checks, in this order: `check` refuses requests that a foreign page makes a browser send, `authenticate` finds the
rights of the key, `authorize` decides whether its holder may run the statement.

Bound to loopback, a node without keys is open: everybody is admin, as with any tool of one's own machine. With the
first key it asks for one. Bound elsewhere it does not start without one. GET may only read the tables, whatever the
role: a link or an image in a page can make a browser send it.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import functools
import logging
import threading
import weakref
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sightline_node import access_folder
from sightline_node.execution.engine import Engine, Statement
from sightline_node.readers.keys import KeyRing, reader_key_file
from sightline_node.readers.reader_allowed import allowed
from sightline_node.readers.roles import Caller, Role
from sightline_node.readers.statement_check import StatementCheck
from sightline_node.readers.statement_judge import check_format, check_setting, refusal
from sightline_roles.host_check import HostCheck, is_loopback
from sightline_store.errors import QueryRejected, StoreError

if TYPE_CHECKING:
    from sightline_node.settings import NodeSettings

_log = logging.getLogger("sightline.store")
_SAFE_METHODS = frozenset({"GET", "HEAD"})
_DEFAULT_USER = "default"
_DEFAULT_DATABASE = "default"
_ACCESS_DENIED = 497
_ROOM_BYTES = 256 * 1024
# A parameter's value is escaped as in TabSeparated, except an Identifier, which is used as it is.
_ESCAPES = {
    ord(letter): escape
    for letter, escape in zip("\\\t\n\r\b\f\0", (r"\\", r"\t", r"\n", r"\r", r"\b", r"\f", r"\0"), strict=True)
}

_judges: weakref.WeakKeyDictionary[Engine, StatementCheck] = weakref.WeakKeyDictionary()
_judges_lock = threading.Lock()


def check(headers: Mapping[str, str], host: str, names: tuple[str, ...] = ()) -> None:
    """Refuse a request that a foreign page made a browser send.

    Args:
        headers: lower-case names.
        host: the address that the node listens on.
        names: further ones of the node.

    Raises:
        QueryRejected: 403, a foreign origin, or no name or a foreign one for this host.
    """
    why = _host_check(host, names).refusal(headers)
    if why:
        raise QueryRejected(403, 497, f"Code: 497. DB::Exception: {why}. (ACCESS_DENIED)")


def require_keys(settings: NodeSettings) -> None:
    """Refuse to start where other machines can reach the node and no key is valid, or where the keys have been lost.

    A node with keys leaves a mark in its data folder: a copy of that folder without its access folder must not be open.

    Raises:
        StoreError: SIGHTLINE_STORE_HOST is not loopback and there is no valid key, the data folder has had keys and
            there are none, or the keys cannot be read.
    """
    ring = _ring(settings.data_dir)
    mark = access_folder.keys_mark(settings.data_dir)
    if len(ring):
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        mark.touch()
    elif mark.exists():
        raise StoreError(
            f"{settings.data_dir} has had keys, and {ring.path} holds none: bring its access folder "
            f"{ring.path.parent} along, create a key with `sightline-store key create`, or remove {mark} to start open"
        )
    if not is_loopback(settings.host) and all(key.revoked for key in ring):
        raise StoreError(
            f"SIGHTLINE_STORE_HOST is {settings.host!r}, which others can reach, and {ring.path} holds no valid key: "
            "`sightline-store key create --name NAME --role admin`, or leave the host at 127.0.0.1"
        )


def authenticate(headers: Mapping[str, str], url_params: Mapping[str, str], settings: NodeSettings) -> Caller:
    """The rights of a request's key, sent as the password in any of ClickHouse's ways or as a bearer token.

    The user name is `default`, or the name, role or id of the key.

    Args:
        headers: lower-case names.
        url_params: of the URL.
        settings: of the node.

    Raises:
        QueryRejected: 403 and code 516, no key or one that does not hold; the message does not tell which.

    Source: https://clickhouse.com/docs/interfaces/http (authentication)
    """
    ring = _ring(settings.data_dir)
    if len(ring) == 0 and is_loopback(settings.host):
        return Caller(Role.ADMIN)
    credentials = [
        credential
        for credential in (
            _authorization_credentials(headers),
            _header_credentials(headers),
            _url_credentials(url_params),
        )
        if credential
    ]
    if len(credentials) > 1:
        raise _unknown("more than one way of authentication was used; send the key in one")
    if not credentials or not credentials[0][1]:
        raise _unknown("a key is needed: send it as the password, or as `Authorization: Bearer KEY`" + _hint(settings))
    user, token = credentials[0]
    key = ring.find(token)
    if key is None or user not in {"", _DEFAULT_USER, key.name, key.role, key.id}:
        raise _unknown("password is incorrect, or there is no user with such name")
    return key.caller


def authorize(
    caller: Caller, statement: Statement, database: str, engine: Engine, *, method: str = "POST"
) -> Statement:
    """Refuse a statement, or return it as it may run.

    Args:
        caller: who asks.
        statement: with its settings and parameters; an INSERT without its data.
        database: the one that unqualified names mean.
        engine: parses the statement; takes milliseconds for a text that it has not seen before.
        method: HTTP's.

    Returns:
        The statement to run: a reader's with its caps and in readonly mode.

    Raises:
        QueryRejected: 403, not for this caller.
        QueryFailed: it cannot be parsed.
    """
    is_admin = caller.role is Role.ADMIN
    if is_admin and method not in _SAFE_METHODS:
        return statement
    judge = _judge(engine)
    database_name = database or _DEFAULT_DATABASE
    try:
        settings = _allowed_settings(statement, engine.reader_limits, is_admin=is_admin)
        if not is_admin:
            judge.check_database(database_name)
        verdict = judge.judge(
            statement.sql,
            database_name,
            statement.params or {},
            settings,
            lenient=is_admin,
            of_tenant=bool(caller.tenant),
        )
    except QueryRejected as exc:
        raise _as_readonly_error(exc, is_admin=is_admin) from None

    def check(ask: Callable[[str], bytes]) -> None:
        try:
            judge.judge_resolved(
                verdict,
                ask,
                statement.sql,
                database_name,
                settings,
                lenient=is_admin,
                of_tenant=bool(caller.tenant),
            )
        except QueryRejected as exc:
            raise _as_readonly_error(exc, is_admin=is_admin) from None

    return replace(
        statement,
        settings={**settings, "readonly": "2"},
        runs_as=None if is_admin or verdict.only_asks_whether else caller,
        check=check,
    )


def check_replacing(role: Role) -> None:
    """Refuse a reader who wants to end the running statement of the same id: it may belong to another client.

    Raises:
        QueryRejected: 403.
    """
    if role is Role.READER:
        raise refusal("the setting replace_running_query")


def _allowed_settings(statement: Statement, limits: Mapping[str, str], *, is_admin: bool) -> dict[str, str]:
    """The settings of a statement that may only read: each is checked, those without effect are dropped.

    Raises:
        QueryRejected: 403.
    """
    check_format(statement.output_format)
    settings: dict[str, str] = {}
    for name, value in (statement.settings or {}).items():
        if name in allowed().ignored_settings:
            continue
        check_setting(name, value, limits)
        settings[name] = value
    settings.pop("readonly", None)
    return settings if is_admin else {**limits, **settings}


def _as_readonly_error(exc: QueryRejected, *, is_admin: bool) -> QueryRejected:
    """A refusal; for an admin's GET, with the advice to use POST."""
    if not is_admin or exc.code != _ACCESS_DENIED:
        return exc
    return QueryRejected(
        403,
        164,
        "Code: 164. DB::Exception: Cannot execute query in readonly mode: GET may only read the tables. "
        f"{exc.message.partition('privileges: ')[2].partition('; it needs')[0]}; use POST. (READONLY)",
    )


def _judge(engine: Engine) -> StatementCheck:
    with _judges_lock:
        judge = _judges.get(engine)
        if judge is None:
            judge = _judges[engine] = StatementCheck(
                _Queries(weakref.ref(engine)), engine.reader_databases, engine.reader_limits
            )
        return judge


class _Queries:
    """Runs statements of the check on their own connections, through a weak reference to the engine."""

    def __init__(self, engine: weakref.ref[Engine]) -> None:
        self._engine = engine

    def __call__(self, sql: str, params: Mapping[str, str], fmt: str) -> bytes:
        engine = self._engine()
        if engine is None:
            raise StoreError("the engine is closed")
        longest = max((len(value.encode()) for value in params.values()), default=0)
        needed = {"max_query_size": str(longest + _ROOM_BYTES)} if longest > _ROOM_BYTES // 4 else {}
        with engine.session() as session:
            return session.execute(
                Statement(
                    sql,
                    settings=needed,
                    params={
                        name: value if f"{{{name}:Identifier}}" in sql else value.translate(_ESCAPES)
                        for name, value in params.items()
                    },
                    output_format=fmt,
                )
            ).output


@functools.lru_cache(maxsize=8)
def _host_check(host: str, names: tuple[str, ...]) -> HostCheck:
    return HostCheck("SIGHTLINE_STORE_ALLOWED_HOSTS", host, names, any_name=True)


@functools.lru_cache(maxsize=8)
def _ring(data_dir: Path) -> KeyRing:
    ring = KeyRing(data_dir)
    if len(ring):
        _log.info("%s holds %d keys: every statement needs one", ring.path, len(ring))
    return ring


def _authorization_credentials(headers: Mapping[str, str]) -> tuple[str, str] | None:
    scheme, _, rest = headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() == "bearer":
        return "", rest.strip()
    if scheme.lower() == "basic":
        with contextlib.suppress(binascii.Error, UnicodeDecodeError):
            user, _, password = base64.b64decode(rest.strip(), validate=True).decode().partition(":")
            return user, password
        return "", ""
    return None


def _header_credentials(headers: Mapping[str, str]) -> tuple[str, str] | None:
    if "x-clickhouse-user" in headers or "x-clickhouse-key" in headers:
        return headers.get("x-clickhouse-user", ""), headers.get("x-clickhouse-key", "")
    return None


def _url_credentials(url_params: Mapping[str, str]) -> tuple[str, str] | None:
    if "user" in url_params or "password" in url_params:
        return url_params.get("user", ""), url_params.get("password", "")
    return None


def _hint(settings: NodeSettings) -> str:
    """Which file contains a key, for the local user who may read it."""
    file = reader_key_file(settings.data_dir)
    if file is None or not is_loopback(settings.host):
        return ""
    return f"; `export SIGHTLINE_STORE_PASSWORD=$(cat {file})` takes one that reads, admin.key is one that writes"


def _unknown(why: str) -> QueryRejected:
    return QueryRejected(403, 516, f"Code: 516. DB::Exception: Authentication failed: {why}. (AUTHENTICATION_FAILED)")
