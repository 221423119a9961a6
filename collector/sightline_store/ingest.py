"""A spool segment into rows: one INSERT, parsed by ClickHouse itself, recognised when it comes again.

The segment is a run of length-delimited OTLP requests, which is ClickHouse's Protobuf input format; the schema travels
inside the statement. A segment is one block, so what cannot be read fails before anything is written, and the same
bytes are cut in the same way by the views behind.

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
    METRICS = "metrics"
    LOGS = "logs"


_MESSAGES = {Signal.TRACES: "TraceRequest", Signal.METRICS: "MetricsRequest", Signal.LOGS: "LogsRequest"}
_SAMPLED = ("SampledTraceRequest", "otlp_sampled.proto")
_BLOCK_ROWS = 1_000_000  # more requests than any segment holds
# Indexes over attributes, which merges build in any case: in the part of an INSERT they would cost a tenth of it, and
# narrow down the rows of some seconds. ClickHouse 25.10 and later know the setting.
_BUILT_BY_MERGES = ",".join(
    f"idx_{of}_attr_{what}" for of in ("res", "scope", "span", "log") for what in ("key", "value")
)


@cache
def _proto(*names: str) -> str:
    texts = [resources.files("sightline_store.sql").joinpath(name).read_text(encoding="utf-8") for name in names]
    return "\n".join(line for text in texts for line in text.splitlines() if line and not line.startswith("//"))


def insert_segment(client: Client, signal: Signal, payload: bytes | BinaryIO, token: str) -> None:
    """Turn a segment into rows of the official tables and of all that hangs off them.

    Returns when the parts are fsynced. A second call with the same bytes and token adds nothing, in no table.

    Args:
        client: where to.
        signal: what the segment holds.
        payload: length-delimited Export{Trace,Metrics,Logs}ServiceRequest messages.
        token: names the segment for ever, at most 100 characters.

    Raises:
        StoreUnavailable: try again, with the same token.
        QueryFailed: ClickHouse cannot read these bytes; trying again does not help.
    """
    client.insert_raw(
        f"otlp_{signal}",
        payload,
        "Protobuf",
        {**_format(_MESSAGES[signal]), **_once(token)},
    )


def note_traces(client: Client, payload: bytes | BinaryIO) -> None:
    """Note which traces a segment holds spans of, and which of them are to be kept whole. Only that is read.

    Args:
        client: where to.
        payload: the segment, and behind it a record that `sampling.note_message` made.

    Raises:
        StoreUnavailable: try again.
        QueryFailed: ClickHouse cannot read these bytes.
    """
    client.insert_raw("otlp_traces_noted", payload, "Protobuf", {**_format(*_SAMPLED), "insert_deduplicate": 0})


def insert_sampled_traces(client: Client, payload: bytes | BinaryIO, token: str) -> None:
    """`insert_segment` for traces that are sampled by the verdict in the last record.

    The same bytes and token add nothing again. The same token is of no use with another verdict, nor with
    `insert_segment`: the way of a row through the views is part of what it is recognised by.
    """
    client.insert_raw("otlp_traces_sampled", payload, "Protobuf", {**_format(*_SAMPLED), **_once(token)})


def check_segment(client: Client, signal: Signal, payload: bytes | BinaryIO) -> None:
    """Let ClickHouse read a segment and store nothing.

    Raises:
        StoreUnavailable: try again.
        QueryFailed: ClickHouse cannot read these bytes.
    """
    client.insert_raw(f"otlp_{signal}_check", payload, "Protobuf", _format(_MESSAGES[signal]))


def _once(token: str) -> dict[str, str | int]:
    return {
        "exclude_materialize_skip_indexes_on_insert": _BUILT_BY_MERGES,
        "insert_deduplication_token": token,
        "insert_deduplicate": 1,
        "deduplicate_blocks_in_dependent_materialized_views": 1,
        "max_partitions_per_insert_block": 0,  # spans that come late may lie on any number of days
    }


def _format(message: str, *further: str) -> dict[str, str | int]:
    return {
        "format_schema_source": "string",
        "format_schema": _proto("otlp.proto", *further),
        "format_schema_message_name": message,
        # The column `kind` says which field of an AnyValue was sent: an empty array is no empty string.
        "input_format_protobuf_oneof_presence": 1,
        # Arrays become JSON text on the way, which Go writes with a plain "/".
        "output_format_json_escape_forward_slashes": 0,
        "async_insert": 0,
        "max_threads": 1,
        "max_insert_threads": 1,
        # The views are written as they are to run: planning them anew costs an INSERT a tenth and changes nothing.
        "query_plan_enable_optimizations": 0,
        "optimize_extract_common_expressions": 0,
        "optimize_and_compare_chain": 0,
        "max_insert_block_size": _BLOCK_ROWS,
        "min_insert_block_size_rows": _BLOCK_ROWS,
        "min_insert_block_size_bytes": 0,
    }
