"""Who may ask the embedded node, and what.

Three gates, in this order: `check` turns away what a foreign page makes a browser send, `authenticate` says whose key
came, `authorize` whether that role may run the statement.

Bound to loopback, a node without keys is open: everybody is admin, as with any tool of one's own machine. With the
first key it asks for one. Bound elsewhere it does not start without one. GET may only read the tables, whatever the
role: a link or an image in a page can make a browser send it.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import functools
import ipaddress
import logging
import threading
import weakref
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sightline_store.errors import QueryRejected, StoreError
from sightline_store.node.engine import Engine, Statement
from sightline_store.node.keys import READER_FILE_NAME, KeyRing
from sightline_store.node.roles import READER_LIMITS, Role
from sightline_store.node.statements import Statements
from sightline_store.node.tree import check_setting

if TYPE_CHECKING:
    from sightline_store.settings import NodeSettings

_log = logging.getLogger("sightline.store")
_LOOPBACK_NAME = "localhost"
_SAFE_SITES = frozenset({"same-origin", "none"})
_SAFE_METHODS = frozenset({"GET", "HEAD"})
_DEFAULT_USER = "default"
_DEFAULT_DATABASE = "default"
_ACCESS_DENIED = 497
_ROOM_BYTES = 256 * 1024
# A parameter's value is escaped as in TabSeparated, but for an Identifier, which is taken as it comes.
_ESCAPES = {
    ord(letter): escape
    for letter, escape in zip("\\\t\n\r\b\f\0", (r"\\", r"\t", r"\n", r"\r", r"\b", r"\f", r"\0"), strict=True)
}

_judges: weakref.WeakKeyDictionary[Engine, Statements] = weakref.WeakKeyDictionary()
_judges_lock = threading.Lock()


def check(headers: Mapping[str, str], host: str) -> None:
    """Let a request pass, or refuse it where a foreign page made a browser send it.

    Such a page can reach loopback. It can choose neither Sec-Fetch-Site, Origin and Referer nor, by pointing a name of
    its own at this address (DNS rebinding), the Host. What is no browser sends none of the first three.

    Args:
        headers: lower-case names.
        host: the address that the node listens on.

    Raises:
        QueryRejected: 403, a foreign origin or a foreign name for this host.
    """
    asked = headers.get("host", "")
    if asked and _is_loopback(host) and not _is_loopback(_hostname(asked)):
        raise _foreign(f"host {asked[:200]!r} is not this node")
    site = headers.get("sec-fetch-site", "").lower()
    if site and site not in _SAFE_SITES:
        raise _foreign("a page of another site may not ask")
    for name in ("origin", "referer"):
        sender = headers.get(name, "")
        if sender and not _is_same_place(sender, asked):
            raise _foreign(f"{name} {sender[:200]!r} may not ask")


def require_keys(settings: NodeSettings) -> None:
    """Refuse to start where others can reach the node and no key holds.

    Raises:
        StoreError: SIGHTLINE_STORE_HOST is not loopback and there is no valid key, or the keys cannot be read.
    """
    ring = _ring(settings.data_dir)
    if not _is_loopback(settings.host) and all(key.revoked for key in ring):
        raise StoreError(
            f"SIGHTLINE_STORE_HOST is {settings.host!r}, which others can reach, and {ring.path} holds no valid key: "
            "`sightline-store key create --name NAME --role admin`, or leave the host at 127.0.0.1"
        )


def authenticate(headers: Mapping[str, str], url_params: Mapping[str, str], settings: NodeSettings) -> Role:
    """Who sends a request: its key comes as the password of any of ClickHouse's ways, or as a bearer token.

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
    if len(ring) == 0 and _is_loopback(settings.host):
        return Role.ADMIN
    sent = [found for found in (_basic_or_bearer(headers), _own_headers(headers), _of_url(url_params)) if found]
    if len(sent) > 1:
        raise _unknown("more than one way of authentication was used; send the key in one")
    if not sent or not sent[0][1]:
        raise _unknown("a key is needed: send it as the password, or as `Authorization: Bearer KEY`" + _hint(settings))
    user, token = sent[0]
    key = ring.find(token)
    if key is None or user not in {"", _DEFAULT_USER, key.name, key.role, key.id}:
        raise _unknown("password is incorrect, or there is no user with such name")
    return Role(key.role)


def authorize(
    role: Role, statement: Statement, database: str, engine: Engine, *, method: str = "POST", in_session: bool = False
) -> Statement:
    """Let a statement pass, or refuse it.

    Args:
        role: who asks.
        statement: with its settings and parameters; an INSERT without its data.
        database: the one that unqualified names mean.
        engine: parses the statement; takes milliseconds for a text that it has not seen before.
        method: HTTP's.
        in_session: whether what the statement sets stays for later ones.

    Returns:
        The statement to run: a reader's with its caps, and where nothing can be changed any more.

    Raises:
        QueryRejected: 403, not for this role.
        QueryFailed: it cannot be parsed.
    """
    is_admin = role is Role.ADMIN
    if is_admin and method not in _SAFE_METHODS:
        return statement
    settings = dict(statement.settings or {})
    try:
        for name, value in settings.items():
            check_setting(name, value)
        verdict = _judge(engine).judge(
            statement.sql, database or _DEFAULT_DATABASE, statement.params or {}, lenient=is_admin
        )
    except QueryRejected as exc:
        if not is_admin or exc.code != _ACCESS_DENIED:
            raise
        raise QueryRejected(
            403,
            164,
            "Code: 164. DB::Exception: Cannot execute query in readonly mode: GET may only read the tables. "
            f"{exc.message.partition('privileges: ')[2].partition('; it needs')[0]}; use POST. (READONLY)",
        ) from None
    if not is_admin:
        settings = {**READER_LIMITS, **settings}
    # Where readonly is 1 no setting can change, which the statement's own SETTINGS do, and a session's next statement.
    settings.pop("readonly", None)
    settings["readonly"] = "2" if verdict.sets or in_session else "1"
    return replace(statement, settings=settings)


def _judge(engine: Engine) -> Statements:
    with _judges_lock:
        judge = _judges.get(engine)
        if judge is None:
            judge = _judges[engine] = Statements(_Asker(weakref.ref(engine)))
        return judge


class _Asker:
    """Runs the judge's questions on connections of their own; holds the engine no longer than others do."""

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
def _ring(data_dir: Path) -> KeyRing:
    ring = KeyRing(data_dir)
    if len(ring):
        _log.info("%s holds %d keys: every statement needs one", ring.path, len(ring))
    return ring


def _basic_or_bearer(headers: Mapping[str, str]) -> tuple[str, str] | None:
    scheme, _, rest = headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() == "bearer":
        return "", rest.strip()
    if scheme.lower() == "basic":
        with contextlib.suppress(binascii.Error, UnicodeDecodeError):
            user, _, password = base64.b64decode(rest.strip(), validate=True).decode().partition(":")
            return user, password
        return "", ""
    return None


def _own_headers(headers: Mapping[str, str]) -> tuple[str, str] | None:
    if "x-clickhouse-user" in headers or "x-clickhouse-key" in headers:
        return headers.get("x-clickhouse-user", ""), headers.get("x-clickhouse-key", "")
    return None


def _of_url(url_params: Mapping[str, str]) -> tuple[str, str] | None:
    if "user" in url_params or "password" in url_params:
        return url_params.get("user", ""), url_params.get("password", "")
    return None


def _is_loopback(name: str) -> bool:
    if name.lower() == _LOOPBACK_NAME:
        return True
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    return False


def _is_same_place(sender: str, asked: str) -> bool:
    """Whether an Origin or a Referer is of the place that the request was sent to."""
    try:
        parts = urlsplit(sender)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(asked) and parts.netloc.lower() == asked.lower()


def _hostname(text: str) -> str:
    """The host of a Host header, lower case; what cannot be one is ''."""
    try:
        return (urlsplit(f"//{text}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _foreign(why: str) -> QueryRejected:
    return QueryRejected(403, 497, f"Code: 497. DB::Exception: {why}. (ACCESS_DENIED)")


def _hint(settings: NodeSettings) -> str:
    """Which file holds a key, for who sits at this machine and is no other user of it."""
    file = settings.data_dir / READER_FILE_NAME
    if not _is_loopback(settings.host) or not file.exists():
        return ""
    return f"; `export SIGHTLINE_STORE_PASSWORD=$(cat {file})` takes one that reads, admin.key is one that writes"


def _unknown(why: str) -> QueryRejected:
    return QueryRejected(403, 516, f"Code: 516. DB::Exception: Authentication failed: {why}. (AUTHENTICATION_FAILED)")
