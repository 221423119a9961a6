"""Scores -> OTLP log records, as protobuf bytes. Runs on the queue's worker only.

Source: https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/logs/v1/logs.proto
"""

from collections.abc import Iterable
from struct import Struct
from typing import Final

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import get_current_span

from sightline import semconv
from sightline.export.otlp_wire import AttributeWriter, request, text
from sightline.runtime import SCOPE_NAME, VERSION
from sightline.scores import Score

SCOPE: Final = InstrumentationScope(SCOPE_NAME, VERSION, semconv.SCHEMA_URL)
_pack_time: Final = Struct("<BQ").pack
_pack_flags: Final = Struct("<BI").pack
_INFO: Final = b"\x10\x09"


def encode_scores(batch: Iterable[Score], resource: Resource) -> bytes:
    """Return an ``ExportLogsServiceRequest`` with one record for each score."""
    attributes = AttributeWriter(b"\x32")
    return request(resource, SCOPE, [_record(score, attributes) for score in batch])


def _record(score: Score, attributes: AttributeWriter) -> bytes:
    judged = get_current_span(score.judged).get_span_context()
    values = {
        key: value if isinstance(value, (str, int, float)) else str(value) for key, value in score.attributes.items()
    }
    return b"".join(
        [
            _pack_time(0x09, score.time_ns),
            _INFO,
            attributes.write(values),
            _pack_flags(0x45, judged.trace_flags) if judged.trace_flags else b"",
            b"\x4a\x10" + judged.trace_id.to_bytes(16, "big") if judged.trace_id else b"",
            b"\x52\x08" + judged.span_id.to_bytes(8, "big") if judged.span_id else b"",
            _pack_time(0x59, score.time_ns),
            text(b"\x62", semconv.EVALUATION_EVENT),
        ]
    )
