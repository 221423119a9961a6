"""An HTTP request of ClickHouse's interface, read into a statement. Pure: no I/O.

Source: https://clickhouse.com/docs/interfaces/http
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from sightline_store.errors import QueryRejected
from sightline_store.node.engine import Statement

# Parameters of the URL that are not ClickHouse settings.
_RESERVED = frozenset(
    {
        "query", "database", "default_format", "session_id", "session_check", "session_timeout", "query_id", "user",
        "password", "quota_key", "compress", "decompress", "enable_http_compression", "http_zlib_compression_level",
        "client_protocol_version", "wait_end_of_query", "buffer_size", "send_progress_in_http_headers",
        "http_headers_progress_interval_ms", "role", "stacktrace", "close_session",
    }
)  # fmt: skip
_COMMENTS = rb"(?:\s|--[^\n]*\n|/\*.*?\*/)*"
_INSERT = re.compile(
    rb"\A("
    + _COMMENTS
    + rb"INSERT\s+INTO\b(?:(?!\bSELECT\b|\bVALUES\b).)*?)\bFORMAT\s+(\w+)[ \t]*(?:\r?\n|;|\Z|[ \t])",
    re.IGNORECASE | re.DOTALL,
)
_IS_INSERT = re.compile(rb"\A" + _COMMENTS + rb"INSERT\s+INTO\b", re.IGNORECASE | re.DOTALL)
_IS_SELECT = re.compile(
    r"\A(?:\s|--[^\n]*\n|/\*.*?\*/|\()*(SELECT|WITH|FROM)\b",
    re.IGNORECASE | re.DOTALL,
)
_FORMAT = re.compile(r"\bFORMAT\s+(\w+)\s*(?:SETTINGS\b.*)?;?\s*\Z", re.IGNORECASE | re.DOTALL)
_HEAD_BYTES = 64 * 1024


@dataclass(frozen=True)
class Query:
    """What a request asks for.

    Attributes:
        statement: the SQL with its database, settings and parameters.
        insert_format: the input format where this is an INSERT with data in the body, else ''.
        data: the part of the body that has been read and is data.
        session_id: '' for none.
        query_id: '' where the client gave none.
    """

    statement: Statement
    insert_format: str
    data: bytes
    session_id: str
    query_id: str

    @property
    def is_select(self) -> bool:
        """Whether this is a SELECT, whose answer is streamed; the engine streams no other statement."""
        return not self.insert_format and _IS_SELECT.match(self.statement.sql) is not None

    @property
    def answer_format(self) -> str:
        """Name of the format that the answer will have."""
        found = _FORMAT.search(self.statement.sql)
        return found[1] if found else self.statement.output_format


def read(query_string: str, headers: Mapping[str, str], head: bytes, body_is_whole: bool) -> Query:
    """Read a request.

    Args:
        query_string: of the URL.
        headers: lower-case names.
        head: the body, or its first part.
        body_is_whole: whether `head` is all of the body.

    Raises:
        QueryRejected: what was sent is not a query.
    """
    try:
        given = dict(parse_qsl(query_string, keep_blank_values=True, errors="strict"))
    except UnicodeDecodeError:
        raise QueryRejected(400, 62, "Code: 62. DB::Exception: the URL is not UTF-8 (SYNTAX_ERROR)") from None
    if given.get("compress", "0") == "1" or given.get("decompress", "0") == "1":
        raise QueryRejected(
            501,
            48,
            "Code: 48. DB::Exception: ClickHouse's own block compression is not spoken here: "
            "use Content-Encoding (NOT_IMPLEMENTED)",
        )
    prefix = given.get("query", "").encode()
    sql, fmt, data = _split(prefix, head, body_is_whole)
    try:
        text = sql.decode()
    except UnicodeDecodeError:
        raise QueryRejected(400, 62, "Code: 62. DB::Exception: the query is not UTF-8 (SYNTAX_ERROR)") from None
    if not text.strip():
        raise QueryRejected(400, 62, "Code: 62. DB::Exception: Empty query (SYNTAX_ERROR)")
    statement = Statement(
        sql=text,
        database=given.get("database") or headers.get("x-clickhouse-database") or "default",
        settings=_settings(given.items()),
        params={name.removeprefix("param_"): value for name, value in given.items() if name.startswith("param_")},
        output_format=given.get("default_format") or headers.get("x-clickhouse-format") or "TabSeparated",
    )
    return Query(statement, fmt, data, given.get("session_id", ""), given.get("query_id", ""))


def _split(prefix: bytes, head: bytes, body_is_whole: bool) -> tuple[bytes, str, bytes]:
    """SQL, input format and data of a query in the URL and a body; the format is '' where nothing is inserted."""
    whole = prefix + b"\n" + head if prefix and head else prefix or head
    found = _INSERT.match(whole[: len(prefix) + _HEAD_BYTES])
    if found:
        return found[1], found[2].decode(), whole[found.end() :].lstrip(b"\r\n") if not prefix else head
    if not body_is_whole:
        raise QueryRejected(
            413, 62, "Code: 62. DB::Exception: a query may take 1 MiB; data to insert need FORMAT (SYNTAX_ERROR)"
        )
    if prefix and head and _IS_INSERT.match(prefix) and prefix.rstrip().upper().endswith(b"VALUES"):
        return prefix + b" " + head, "", b""
    return whole, "", b""


def _settings(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    return {name: value for name, value in pairs if name not in _RESERVED and not name.startswith("param_")}
