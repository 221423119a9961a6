"""An HTTP request of ClickHouse's interface, read into a statement. Pure: no I/O.

Source: https://clickhouse.com/docs/interfaces/http
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import parse_qsl

from sightline_node import sql_lexer
from sightline_node.execution.engine import Statement
from sightline_node.http.multipart import Part
from sightline_node.readers.reader_allowed import allowed
from sightline_node.readers.roles import Role
from sightline_store.errors import QueryRejected

# Parameters of the URL that are not ClickHouse settings.
_RESERVED = frozenset(
    {
        "query", "database", "default_format", "session_id", "session_check", "session_timeout", "query_id", "user",
        "password", "quota_key", "compress", "decompress", "enable_http_compression", "http_zlib_compression_level",
        "client_protocol_version", "wait_end_of_query", "buffer_size", "send_progress_in_http_headers",
        "http_headers_progress_interval_ms", "role", "stacktrace", "close_session", "add_http_cors_header",
        "http_write_exception_in_output_format", "http_response_buffer_size", "log_comment", "replace_running_query",
        "cancel_http_readonly_queries_on_client_close", "network_compression_method",
    }
)  # fmt: skip
_HEAD_BYTES = 64 * 1024
_FORMAT = re.compile(r"[A-Za-z][A-Za-z0-9]*")
_OF_DATA = frozenset(name.lower() for name in allowed().input_formats)
_SAYS_HOW_DATA_ARE_READ = re.compile(r"(?:input_format|format|schema_inference)_\w+|date_time_input_format")
# Statements that are answered with nothing, not even with no rows.
_WITHOUT_RESULT = frozenset(
    {
        "ALTER", "ATTACH", "CREATE", "DELETE", "DETACH", "DROP", "EXCHANGE", "GRANT", "INSERT", "MOVE", "OPTIMIZE",
        "RENAME", "REPLACE", "REVOKE", "SET", "SYSTEM", "TRUNCATE", "UNDROP", "UPDATE", "USE",
    }
)  # fmt: skip


@dataclass(frozen=True)
class External:
    """A table that came with a query: its name, format, columns and bytes."""

    name: str
    fmt: str
    structure: str
    data: bytes


@dataclass(frozen=True)
class Query:
    """What a request asks for.

    Attributes:
        statement: the SQL with its database, settings and parameters.
        insert_format: the input format where this is an INSERT with data in the body, else ''.
        data: the part of the body that has been read and is data.
        session_id: '' for none.
        query_id: '' where the client gave none.
        options: the parameters that are the interface's own.
        externals: tables that came with the query.
    """

    statement: Statement
    insert_format: str
    data: bytes
    session_id: str
    query_id: str
    options: Mapping[str, str] = field(default_factory=dict)
    externals: tuple[External, ...] = ()

    @cached_property
    def shape(self) -> sql_lexer.Shape:
        """The statement's parts."""
        return sql_lexer.shape(self.statement.sql)

    @property
    def is_select(self) -> bool:
        """Whether this is a SELECT, whose answer is streamed."""
        return not self.insert_format and self.shape.is_read

    @property
    def answer_format(self) -> str:
        """Name of the format that the answer will have, '' where the statement has no result."""
        if self.insert_format or self.shape.kind in _WITHOUT_RESULT:
            return ""
        return self.shape.format_name or self.statement.output_format

    def flag(self, name: str) -> bool:
        """Whether one of the interface's own parameters is on."""
        return self.options.get(name, "0").strip().lower() not in {"0", "", "false"}

    def number(self, name: str, default: float) -> float:
        """One of the interface's own parameters as a number.

        Raises:
            QueryRejected: it is none.
        """
        try:
            return float(self.options.get(name) or default)
        except ValueError:
            raise rejected(400, 27, f"{name} is {self.options[name]!r}, not a number", "CANNOT_PARSE_TEXT") from None


def parameters(query_string: str, headers: Mapping[str, str]) -> dict[str, str]:
    """The URL's parameters, with those that may also come as headers.

    Args:
        query_string: of the URL.
        headers: lower-case names.

    Raises:
        QueryRejected: it is not UTF-8.
    """
    try:
        given = dict(parse_qsl(query_string, keep_blank_values=True, errors="strict"))
    except UnicodeDecodeError:
        raise rejected(400, 62, "the URL is not UTF-8", "SYNTAX_ERROR") from None
    for name, header in (("database", "x-clickhouse-database"), ("default_format", "x-clickhouse-format")):
        if not given.get(name) and headers.get(header):
            given[name] = headers[header]
    return given


def read(
    given: Mapping[str, str],
    head: bytes,
    body_is_whole: bool,
    *,
    readonly: bool = False,
    parts: Iterable[Part] = (),
) -> Query:
    """Read a request.

    Args:
        given: what `parameters` made of the URL.
        head: the body, or its first part; empty where it came in `parts`.
        body_is_whole: whether `head` is all of the body.
        readonly: nothing but reading, as for GET.
        parts: of a body that is a form.

    Raises:
        QueryRejected: what was sent is not a query.
    """
    given = dict(given)
    files = []
    for part in parts:
        if part.is_file:
            files.append(part)
        else:
            given[part.name] = part.data.decode("utf-8", "replace")
    sql, fmt, data = _split(given.get("query", "").encode(), head, body_is_whole)
    try:
        text = sql.decode()
    except UnicodeDecodeError:
        raise rejected(400, 62, "the query is not UTF-8", "SYNTAX_ERROR") from None
    if not text.strip():
        raise rejected(400, 62, "Empty query", "SYNTAX_ERROR")
    externals = tuple(_external(part, given) for part in files)
    of_externals = {f"{e.name}_{suffix}" for e in externals for suffix in ("format", "structure", "types")}
    statement = Statement(
        sql=text,
        database=given.get("database", ""),
        settings={
            name: value
            for name, value in given.items()
            if name not in _RESERVED and not name.startswith("param_") and name not in of_externals
        },
        params={name.removeprefix("param_"): value for name, value in given.items() if name.startswith("param_")},
        output_format=given.get("default_format") or "TabSeparated",
        readonly=readonly,
    )
    options = {name: value for name, value in given.items() if name in _RESERVED}
    asked = Query(statement, fmt, data, given.get("session_id", ""), given.get("query_id", ""), options, externals)
    # A name, quoted in the statement or not: it is written into the one that runs.
    for name in (statement.output_format, fmt, asked.shape.format_name, *(external.fmt for external in externals)):
        if name and not _FORMAT.fullmatch(name):
            raise rejected(400, 73, f"Unknown format {name[:100]!r}", "UNKNOWN_FORMAT")
    if not asked.shape.is_alone:
        raise rejected(400, 62, "Syntax error: Multi-statements are not allowed", "SYNTAX_ERROR")
    if asked.shape.has_outfile:
        raise rejected(400, 162, "INTO OUTFILE is not allowed", "INTO_OUTFILE_NOT_ALLOWED")
    return asked


def settings_of_data(settings: Mapping[str, str]) -> dict[str, str]:
    """Those of a query's settings that say how the data beside it are read."""
    return {name: value for name, value in settings.items() if _SAYS_HOW_DATA_ARE_READ.fullmatch(name)}


def check_data_formats(query: Query, role: Role) -> None:
    """Let a reader send data in formats that say all by themselves.

    Others open a schema or a template, ask a registry, or are read by rules that nobody has looked at.

    Raises:
        QueryRejected: 403.
    """
    if role is not Role.READER:
        return
    for external in query.externals:
        if external.fmt.lower() not in _OF_DATA:
            raise rejected(
                403,
                497,
                f"Not enough privileges: data in the format {external.fmt[:100]} beside a query are not for the reader "
                "role; send TabSeparated, CSV, JSONEachRow, Native, RowBinary, Parquet or Arrow",
                "ACCESS_DENIED",
            )


def rejected(status: int, code: int, text: str, name: str) -> QueryRejected:
    """What the node refuses, in ClickHouse's words."""
    return QueryRejected(status, code, f"Code: {code}. DB::Exception: {text}. ({name})")


def _split(prefix: bytes, head: bytes, body_is_whole: bool) -> tuple[bytes, str, bytes]:
    """SQL, input format and data of a query in the URL and a body; the format is '' where nothing is inserted."""
    whole = prefix + b"\n" + head if prefix and head else prefix or head
    found = sql_lexer.insert_with_data(whole[: len(prefix) + _HEAD_BYTES].decode("latin-1"))
    # Short VALUES are left to the engine's parser, which also knows {name:Type} there.
    if found and (found.fmt != "Values" or not body_is_whole):
        return found.head.encode("latin-1"), found.fmt, whole[found.data_at :]
    if not body_is_whole:
        raise rejected(413, 62, "a query may take 1 MiB; data to insert need FORMAT or VALUES", "SYNTAX_ERROR")
    return whole, "", b""


def _external(part: Part, given: Mapping[str, str]) -> External:
    structure = given.get(f"{part.name}_structure", "")
    if types := given.get(f"{part.name}_types", ""):
        structure = ", ".join(f"_{n} {kind}" for n, kind in enumerate(_columns(types), 1))
    if not structure:
        raise rejected(
            400, 36, f"there is neither {part.name}_structure nor {part.name}_types for a table", "BAD_ARGUMENTS"
        )
    if not sql_lexer.is_column_list(structure):
        raise rejected(400, 36, f"{part.name}: {structure[:200]!r} is no list of names and types", "BAD_ARGUMENTS")
    return External(part.name, given.get(f"{part.name}_format") or "TabSeparated", structure, part.data)


def _columns(types: str) -> list[str]:
    """`Array(Tuple(A, B)), C` cut at the commas that stand outside of parentheses."""
    found, depth = [""], 0
    for letter in types:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            found.append("")
        else:
            found[-1] += letter
    return [kind.strip() for kind in found]
