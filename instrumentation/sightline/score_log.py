"""Scores -> OTLP log records. Runs on the queue's worker only: what it imports never delays a caller.

Written with the protocol's own messages: importing the SDK's log module starts threads, which fails while the
interpreter exits, exactly when a short script's scores are sent.

Source: https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/logs/v1/logs.proto
"""

from collections.abc import Iterable, Mapping, Sequence

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs, SeverityNumber
from opentelemetry.proto.resource.v1.resource_pb2 import Resource as ResourceMessage
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import get_current_span

from sightline import semconv
from sightline.runtime import SCOPE_NAME, VERSION
from sightline.scores import Score


def encode_scores(batch: Iterable[Score], resource: Resource) -> bytes:
    """Return an ExportLogsServiceRequest with one record for each score."""
    scope_logs = ScopeLogs(
        scope=InstrumentationScope(name=SCOPE_NAME, version=VERSION),
        log_records=[_record(score) for score in batch],
        schema_url=semconv.SCHEMA_URL,
    )
    message = ResourceMessage(attributes=attributes_of(resource.attributes))
    request = ExportLogsServiceRequest(resource_logs=[ResourceLogs(resource=message, scope_logs=[scope_logs])])
    return bytes(request.SerializeToString())


def _record(score: Score) -> LogRecord:
    judged = get_current_span(score.judged).get_span_context()
    return LogRecord(
        time_unix_nano=score.time_ns,
        observed_time_unix_nano=score.time_ns,
        severity_number=SeverityNumber.SEVERITY_NUMBER_INFO,
        attributes=attributes_of(score.attributes),
        trace_id=judged.trace_id.to_bytes(16, "big") if judged.trace_id else b"",
        span_id=judged.span_id.to_bytes(8, "big") if judged.span_id else b"",
        flags=int(judged.trace_flags),
        event_name=semconv.EVALUATION_EVENT,
    )


def attributes_of(values: Mapping[str, object]) -> list[KeyValue]:
    """Return attributes in OTLP form."""
    return [KeyValue(key=key, value=_value(value)) for key, value in values.items()]


def _value(value: object) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return AnyValue(array_value=ArrayValue(values=[_value(item) for item in value]))
    return AnyValue(string_value=str(value))


def rejected_scores(body: bytes) -> int:
    """Return how many records the collector says that it refused."""
    try:
        return int(ExportLogsServiceResponse.FromString(body).partial_success.rejected_log_records) if body else 0
    except Exception:
        return 0
