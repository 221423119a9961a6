"""A spool segment into rows: one INSERT, parsed by ClickHouse itself, recognised when it comes again.

The segment is a run of length-delimited OTLP requests, which is ClickHouse's Protobuf input format; the schema travels
inside the statement. Blocks are cut by rows only, so the same bytes give the same blocks and the same tokens.

Source: https://clickhouse.com/docs/interfaces/formats/Protobuf and
https://clickhouse.com/docs/guides/developer/deduplicating-inserts-on-retries
"""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from importlib import resources
from typing import BinaryIO

from sightline_store.client import Client


class Signal(StrEnum):
    """What a segment holds; one signal a segment."""

    TRACES = "traces"
    LOGS = "logs"


_MESSAGES = {Signal.TRACES: "TraceRequest", Signal.LOGS: "LogsRequest"}


@cache
def _proto() -> str:
    text = resources.files("sightline_store.sql").joinpath("otlp.proto").read_text(encoding="utf-8")
    return "\n".join(line for line in text.splitlines() if line and not line.startswith("//"))


def insert_segment(client: Client, signal: Signal, payload: bytes | BinaryIO, token: str) -> None:
    """Turn a segment into rows of the official tables and of all that hangs off them.

    Returns when the parts are fsynced. A second call with the same bytes and token adds nothing, in no table.

    Args:
        client: where to.
        signal: what the segment holds.
        payload: length-delimited ExportTraceServiceRequest or ExportLogsServiceRequest messages.
        token: names the segment for ever, at most 100 characters.

    Raises:
        StoreUnavailable: try again, with the same token.
        QueryFailed: ClickHouse cannot read these bytes; trying again does not help.
    """
    client.insert_raw(
        f"otlp_{signal}",
        payload,
        "Protobuf",
        {
            "format_schema_source": "string",
            "format_schema": _proto(),
            "format_schema_message_name": _MESSAGES[signal],
            "insert_deduplication_token": token,
            "insert_deduplicate": 1,
            "deduplicate_blocks_in_dependent_materialized_views": 1,
            "async_insert": 0,
            "max_threads": 1,
            "max_insert_threads": 1,
            "max_insert_block_size": 64,
            "min_insert_block_size_rows": 400,
            "min_insert_block_size_bytes": 0,
        },
    )
