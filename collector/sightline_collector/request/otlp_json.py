"""OTLP/JSON into OTLP/Protobuf. Pure: no I/O.

It is proto3's JSON mapping with one difference: trace and span ids are hexadecimal, not base64. Enums are integers,
64-bit integers strings or numbers, NaN and Infinity strings, null is absent, fields of later versions are ignored.
Half a surrogate pair, which JavaScript writes where it cut a text inside a character, becomes U+FFFD, as Go reads it.

Source: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
"""

from __future__ import annotations

import base64
import json
import re
from typing import Any

from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from sightline_collector.errors import BadRequest

_REQUESTS = {
    "traces": ExportTraceServiceRequest,
    "logs": ExportLogsServiceRequest,
    "metrics": ExportMetricsServiceRequest,
}
_IDS = frozenset({"traceId", "spanId", "parentSpanId"})
_MAX_DEPTH = 200
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def to_protobuf(signal: str, body: bytes) -> bytes:
    """The same request in Protobuf.

    Raises:
        BadRequest: 400, with what is wrong and where.
    """
    message = _REQUESTS[signal]()
    try:
        document = json.loads(body)
        if not isinstance(document, dict):
            raise BadRequest(400, f"body is a JSON {type(document).__name__}; needs an object")
        json_format.ParseDict(
            _with_base64_ids(document, 0), message, ignore_unknown_fields=True, max_recursion_depth=100
        )
        return bytes(message.SerializeToString())
    except (json_format.ParseError, ValueError, RecursionError, TypeError, AttributeError) as exc:
        raise BadRequest(400, f"body is not OTLP/JSON: {str(exc)[:500]}") from None


def _with_base64_ids(node: Any, depth: int) -> Any:
    if depth > _MAX_DEPTH:
        raise ValueError("values nest deeper than 100 levels")
    if isinstance(node, list):
        return [_with_base64_ids(item, depth + 1) for item in node]
    if isinstance(node, dict):
        return {
            key: _base64(key, value) if key in _IDS else _with_base64_ids(value, depth + 1)
            for key, value in node.items()
            if value is not None and key.isascii()  # no field of OTLP has another name
        }
    if isinstance(node, str) and not node.isascii():
        return _LONE_SURROGATE.sub("\ufffd", node)
    return node


def _base64(key: str, value: Any) -> str:
    try:
        return base64.b64encode(bytes.fromhex(value)).decode()
    except (TypeError, ValueError):
        raise ValueError(f"{key} is {str(value)[:64]!r}; needs hexadecimal digits") from None
