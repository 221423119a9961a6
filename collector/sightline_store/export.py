"""Takes data out: a table into Parquet (or another of ClickHouse's formats), a trace into OTLP.

A table leaves as the store writes it, in pieces, so memory stays flat whatever its size. A trace leaves as one
ExportTraceServiceRequest that any OpenTelemetry collector takes; sent to ours it makes equal rows. What otel_traces
does not keep (types of attributes, which are all text there; span flags, dropped counts) is not in it either.
"""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Callable, Iterable
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any, BinaryIO

from sightline_store.client import Client
from sightline_store.errors import StoreError
from sightline_store.moments import sql_moment

FORMATS = {"parquet": "Parquet", "csv": "CSVWithNames", "json": "JSONEachRow", "native": "Native", "arrow": "Arrow"}
"""Name on the command line to ClickHouse's."""
# A million rows of prompts in a row group, and several groups at once, are more memory than an embedded store has.
_SETTINGS = {
    "max_threads": 1,
    "max_block_size": 16_384,
    "output_format_parquet_parallel_encoding": 0,
    "output_format_parquet_row_group_size": 131_072,
    "output_format_parquet_row_group_size_bytes": 64 * 1024**2,
}
_TRACE_ID = re.compile(r"[0-9a-f]{32}")
_TABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_KINDS = {"Internal": 1, "Server": 2, "Client": 3, "Producer": 4, "Consumer": 5}
_STATUSES = {"Ok": 1, "Error": 2}


def is_trace_id(text: str) -> bool:
    """Whether a trace is meant: 32 hexadecimal digits."""
    return _TRACE_ID.fullmatch(text.lower()) is not None


def export_table(
    client: Client,
    table: str,
    target: BinaryIO,
    *,
    fmt: str = "parquet",
    since: datetime | None = None,
    until: datetime | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> int:
    """Write a table, or a window of it.

    Args:
        client: the store.
        table: a table or view of the client's database.
        target: where the bytes go.
        fmt: one of FORMATS.
        since: first moment, inclusive; by the table's own time.
        until: last moment, exclusive.
        progress: called with the bytes written so far.

    Returns:
        Bytes written.

    Raises:
        StoreError: there is no such table, or it knows no time and a window is asked for.
    """
    if not _TABLE.fullmatch(table):
        raise StoreError(f"{table!r} is no name of a table")
    conditions, params = [], {}
    if since is not None or until is not None:
        column = _time_columns(client).get(table)
        if column is None:
            raise StoreError(f"{table} has no column of time: leave --since and --until out")
        for name, moment, sign in (("since", since, ">="), ("until", until, "<")):
            if moment is not None:
                conditions.append(f"{column} {sign} {{{name}:DateTime64(3, 'UTC')}}")
                params[name] = sql_moment(moment)
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    size = 0
    sql = f"SELECT * FROM {table}{where}"  # noqa: S608  (a plain name)
    for piece in client.stream(sql, params, FORMATS[fmt], settings=_SETTINGS):
        target.write(piece)
        size += len(piece)
        progress(size)
    return size


def trace_request(client: Client, trace_id: str) -> Any:
    """One trace as an ExportTraceServiceRequest, its spans grouped by resource and scope.

    Raises:
        StoreError: the store holds no such trace.
    """
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest  # noqa: PLC0415

    rows = client.query_rows(_sql("trace"), {"trace_id": trace_id.lower()})
    if not rows:
        raise StoreError(f"the store holds no trace {trace_id}")
    request = ExportTraceServiceRequest()
    made_resources: dict[Any, Any] = {}
    made_scopes: dict[Any, Any] = {}
    for row in rows:
        resource_key = tuple(row["resource"])
        if resource_key not in made_resources:
            made_resources[resource_key] = request.resource_spans.add()
            _set(made_resources[resource_key].resource.attributes, row["resource"])
        scope_key = (resource_key, row["scope_name"], row["scope_version"])
        if scope_key not in made_scopes:
            made_scopes[scope_key] = made_resources[resource_key].scope_spans.add()
            made_scopes[scope_key].scope.name = row["scope_name"]
            made_scopes[scope_key].scope.version = row["scope_version"]
        _fill(made_scopes[scope_key].spans.add(), row)
    return request


def export_trace(client: Client, trace_id: str, target: BinaryIO, *, as_json: bool) -> int:
    """Write one trace as OTLP: protobuf, or OTLP/JSON with ids in hexadecimal. Returns the bytes written.

    Source: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
    """
    request = trace_request(client, trace_id)
    payload: bytes = (
        json.dumps(otlp_json(request), ensure_ascii=False).encode() if as_json else request.SerializeToString()
    )
    target.write(payload)
    return len(payload)


def otlp_json(request: Any) -> Any:
    """An OTLP request as OTLP/JSON: enums as numbers, ids in hexadecimal."""
    from google.protobuf.json_format import MessageToDict  # noqa: PLC0415

    return _with_hex_ids(MessageToDict(request, use_integers_for_enums=True))


def write_whole(path: Path, write: Callable[[BinaryIO], int]) -> int:
    """Write a file that is either whole or not there."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            size = write(file)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return size


def _fill(span: Any, row: dict[str, Any]) -> None:
    span.trace_id, span.span_id = bytes.fromhex(row["trace_id"]), bytes.fromhex(row["span_id"])
    span.parent_span_id = bytes.fromhex(row["parent_id"])
    span.trace_state, span.name, span.kind = row["trace_state"], row["name"], _KINDS.get(row["kind"], 0)
    span.start_time_unix_nano = row["start_ns"]
    span.end_time_unix_nano = row["start_ns"] + row["duration_ns"]
    span.status.code, span.status.message = _STATUSES.get(row["status"], 0), row["status_message"]
    _set(span.attributes, row["attributes"])
    for time_ns, name, attributes in zip(
        row["event_times_ns"], row["event_names"], row["event_attributes"], strict=True
    ):
        _set(span.events.add(time_unix_nano=time_ns, name=name).attributes, attributes)
    links = (row["link_trace_ids"], row["link_span_ids"], row["link_trace_states"], row["link_attributes"])
    for trace_id, span_id, state, attributes in zip(*links, strict=True):
        link = span.links.add(trace_id=bytes.fromhex(trace_id), span_id=bytes.fromhex(span_id), trace_state=state)
        _set(link.attributes, attributes)


def _set(target: Any, pairs: Iterable[tuple[str, str]]) -> None:
    for key, value in pairs:
        target.add(key=key).value.string_value = value


def _with_hex_ids(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: base64.b64decode(item).hex() if key in {"traceId", "spanId", "parentSpanId"} else _with_hex_ids(item)
            for key, item in value.items()
        }
    return [_with_hex_ids(item) for item in value] if isinstance(value, list) else value


def _time_columns(client: Client) -> dict[str, str]:
    return {row["table"]: row["time_column"] for row in client.query_rows(_sql("time_columns"))}


def _sql(name: str) -> str:
    return resources.files("sightline_store.sql").joinpath("export", f"{name}.sql").read_text(encoding="utf-8")
