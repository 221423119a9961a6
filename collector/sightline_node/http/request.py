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
_INPUT_FORMATS = frozenset(name.lower() for name in allowed().input_formats)
_INPUT_SETTING = re.compile(r"(?:input_format|format|schema_inference)_\w+|date_time_input_format")
# Statements without a result, not even an empty one.
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
    """The query of a request.

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
        """The format of the answer, '' where the statement has no result."""
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
        url_params = dict(parse_qsl(query_string, keep_blank_values=True, errors="strict"))
    except UnicodeDecodeError:
        raise rejected(400, 62, "the URL is not UTF-8", "SYNTAX_ERROR") from None
    for name, header in (("database", "x-clickhouse-database"), ("default_format", "x-clickhouse-format")):
        if not url_params.get(name) and headers.get(header):
            url_params[name] = headers[header]
    return url_params


def read(
    url_params: Mapping[str, str],
    head: bytes,
    body_is_whole: bool,
    *,
    readonly: bool = False,
    parts: Iterable[Part] = (),
) -> Query:
    """Read a request.

    Args:
        url_params: what `parameters` returned.
        head: the body, or its first part; empty where it came in `parts`.
        body_is_whole: whether `head` is all of the body.
        readonly: nothing but reading, as for GET.
        parts: of a body that is a form.

    Raises:
        QueryRejected: the request contains no valid query.
    """
    url_params = dict(url_params)
    files = []
    for part in parts:
        if part.is_file:
            files.append(part)
        else:
            url_params[part.name] = part.data.decode("utf-8", "replace")
    sql, fmt, data = _split(url_params.get("query", "").encode(), head, body_is_whole)
    try:
        text = sql.decode()
    except UnicodeDecodeError:
        raise rejected(400, 62, "the query is not UTF-8", "SYNTAX_ERROR") from None
    if not text.strip():
        raise rejected(400, 62, "Empty query", "SYNTAX_ERROR")
    externals = tuple(_external(part, url_params) for part in files)
    of_externals = {f"{e.name}_{suffix}" for e in externals for suffix in ("format", "structure", "types")}
    statement = Statement(
        sql=text,
        database=url_params.get("database", ""),
        settings={
            name: value
            for name, value in url_params.items()
            if name not in _RESERVED and not name.startswith("param_") and name not in of_externals
        },
        params={name.removeprefix("param_"): value for name, value in url_params.items() if name.startswith("param_")},
        output_format=url_params.get("default_format") or "TabSeparated",
        readonly=readonly,
    )
    options = {name: value for name, value in url_params.items() if name in _RESERVED}
    query = Query(
        statement, fmt, data, url_params.get("session_id", ""), url_params.get("query_id", ""), options, externals
    )
    # The name of the format is written into the statement that runs.
    for name in (statement.output_format, fmt, query.shape.format_name, *(external.fmt for external in externals)):
        if name and not _FORMAT.fullmatch(name):
            raise rejected(400, 73, f"Unknown format {name[:100]!r}", "UNKNOWN_FORMAT")
    if not query.shape.is_alone:
        raise rejected(400, 62, "Syntax error: Multi-statements are not allowed", "SYNTAX_ERROR")
    if query.shape.has_outfile:
        raise rejected(400, 162, "INTO OUTFILE is not allowed", "INTO_OUTFILE_NOT_ALLOWED")
    return query


def settings_of_data(settings: Mapping[str, str]) -> dict[str, str]:
    """The settings of a query for the input formats of its external tables."""
    return {name: value for name, value in settings.items() if _INPUT_SETTING.fullmatch(name)}


def check_data_formats(query: Query, role: Role) -> None:
    """Refuse a reader's external tables in formats that need more than the data.

    Such formats open a schema or a template, ask a registry, or apply rules that have not been reviewed.

    Raises:
        QueryRejected: 403.
    """
    if role is not Role.READER:
        return
    for external in query.externals:
        if external.fmt.lower() not in _INPUT_FORMATS:
            raise rejected(
                403,
                497,
                f"Not enough privileges: data in the format {external.fmt[:100]} beside a query are not for the reader "
                "role; send TabSeparated, CSV, JSONEachRow, Native, RowBinary, Parquet or Arrow",
                "ACCESS_DENIED",
            )


def rejected(status: int, code: int, text: str, name: str) -> QueryRejected:
    """An error of the node in ClickHouse's wording."""
    return QueryRejected(status, code, f"Code: {code}. DB::Exception: {text}. ({name})")


def _split(prefix: bytes, head: bytes, body_is_whole: bool) -> tuple[bytes, str, bytes]:
    """SQL, input format and data of a query in the URL and a body; the format is '' where nothing is inserted."""
    whole = prefix + b"\n" + head if prefix and head else prefix or head
    insert = sql_lexer.insert_with_data(whole[: len(prefix) + _HEAD_BYTES].decode("latin-1"))
    # The engine's parser reads short VALUES, which may contain {name:Type}.
    if insert and (insert.fmt != "Values" or not body_is_whole):
        return insert.head.encode("latin-1"), insert.fmt, whole[insert.data_at :]
    if not body_is_whole:
        raise rejected(413, 62, "a query may take 1 MiB; data to insert need FORMAT or VALUES", "SYNTAX_ERROR")
    return whole, "", b""


def _external(part: Part, url_params: Mapping[str, str]) -> External:
    structure = url_params.get(f"{part.name}_structure", "")
    if types := url_params.get(f"{part.name}_types", ""):
        structure = ", ".join(f"_{n} {kind}" for n, kind in enumerate(_columns(types), 1))
    if not structure:
        raise rejected(
            400, 36, f"there is neither {part.name}_structure nor {part.name}_types for a table", "BAD_ARGUMENTS"
        )
    if not sql_lexer.is_column_list(structure):
        raise rejected(400, 36, f"{part.name}: {structure[:200]!r} is no list of names and types", "BAD_ARGUMENTS")
    return External(part.name, url_params.get(f"{part.name}_format") or "TabSeparated", structure, part.data)


def _columns(types: str) -> list[str]:
    """`Array(Tuple(A, B)), C` split at the commas outside of parentheses."""
    parts, depth = [""], 0
    for letter in types:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [kind.strip() for kind in parts]
