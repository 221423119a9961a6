"""Scores and metrics as protobuf bytes: what is written says what the protocol's own message classes say."""

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs, SeverityNumber
from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb
from opentelemetry.proto.resource.v1.resource_pb2 import Resource as ResourceMessage
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from sightline import semconv
from sightline.export.metrics import Histogram, HistogramPoint, Snapshot, Sum
from sightline.export.otlp_metrics import encode_snapshots
from sightline.export.otlp_scores import encode_scores
from sightline.export.otlp_wire import rejected_items
from sightline.runtime import SCOPE_NAME, VERSION
from sightline.scores import Score

RESOURCE = Resource({"service.name": "s", "process.pid": 7}, "https://opentelemetry.io/schemas/1.41.0")
SCOPE = InstrumentationScope(name=SCOPE_NAME, version=VERSION)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=100)
TIMES_NS = st.integers(1, (1 << 63) - 1)
FLOATS = st.floats(allow_nan=False)
LABELS = st.lists(
    st.tuples(TEXTS, TEXTS | st.booleans() | st.integers(0, 70_000)), max_size=3, unique_by=lambda x: x[0]
)
POINTS = st.dictionaries(
    LABELS.map(tuple),
    st.builds(HistogramPoint, st.lists(st.integers(0, (1 << 40)), min_size=4, max_size=4), FLOATS, FLOATS, FLOATS),
    max_size=2,
)
HISTOGRAMS = st.builds(Histogram, TEXTS, TEXTS, st.just((0.5, 1, 10.25)), POINTS)
SUMS = st.builds(
    Sum, TEXTS, TEXTS, st.booleans(), st.dictionaries(LABELS.map(tuple), st.integers(-5, 1 << 60), max_size=2)
)
SNAPSHOTS = st.builds(
    Snapshot,
    TIMES_NS,
    TIMES_NS,
    st.booleans(),
    st.lists(HISTOGRAMS, max_size=2).map(tuple),
    st.lists(SUMS, max_size=2).map(tuple),
)
JUDGED = st.builds(
    lambda trace_id, span_id: set_span_in_context(
        NonRecordingSpan(SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED)))
    ),
    st.integers(0, (1 << 128) - 1),
    st.integers(0, (1 << 64) - 1),
)
SCORES = st.builds(Score, st.dictionaries(TEXTS, TEXTS | FLOATS, max_size=4), JUDGED, TIMES_NS)


def pairs(values: Any) -> list[KeyValue]:
    """Return attributes, with the protocol's classes."""

    def value(each: Any) -> AnyValue:
        if isinstance(each, bool):
            return AnyValue(bool_value=each)
        if isinstance(each, int):
            return AnyValue(int_value=each)
        return AnyValue(double_value=each) if isinstance(each, float) else AnyValue(string_value=each)

    return [KeyValue(key=key, value=value(each)) for key, each in values]


MESSAGE = ResourceMessage(attributes=pairs(RESOURCE.attributes.items()))


@given(st.lists(SCORES, max_size=3))
def test_scores_are_what_the_message_classes_write(scores: list[Score]) -> None:
    """Attributes, times, the judged span and the name of the event arrive."""
    records = []
    for each in scores:
        record = LogRecord(
            time_unix_nano=each.time_ns,
            observed_time_unix_nano=each.time_ns,
            severity_number=SeverityNumber.SEVERITY_NUMBER_INFO,
            attributes=pairs(each.attributes.items()),
            event_name=semconv.EVALUATION_EVENT,
        )
        (span,) = [value for value in each.judged.values() if isinstance(value, NonRecordingSpan)]
        context = span.get_span_context()
        record.flags = context.trace_flags
        if context.trace_id:
            record.trace_id = context.trace_id.to_bytes(16, "big")
        if context.span_id:
            record.span_id = context.span_id.to_bytes(8, "big")
        records.append(record)
    scoped = ScopeLogs(scope=SCOPE, log_records=records, schema_url=semconv.SCHEMA_URL)
    told = ResourceLogs(resource=MESSAGE, scope_logs=[scoped], schema_url=RESOURCE.schema_url)
    found = ExportLogsServiceRequest.FromString(encode_scores(scores, RESOURCE))
    assert found == ExportLogsServiceRequest(resource_logs=[told])


@given(st.lists(SNAPSHOTS, max_size=2))
def test_metrics_are_what_the_message_classes_write(snapshots: list[Snapshot]) -> None:
    """Histograms and counters, their units, bounds, counts, labels, times and temporality arrive."""
    metrics = []
    for each in snapshots:
        temporality = pb.AGGREGATION_TEMPORALITY_DELTA if each.delta else pb.AGGREGATION_TEMPORALITY_CUMULATIVE
        times = {"start_time_unix_nano": each.start_time_ns, "time_unix_nano": each.time_ns}
        for histogram in each.histograms:
            points = [
                pb.HistogramDataPoint(
                    attributes=pairs(labels),
                    count=sum(point.counts),
                    sum=point.sum,
                    min=point.min,
                    max=point.max,
                    bucket_counts=point.counts,
                    explicit_bounds=histogram.bounds,
                    **times,
                )
                for labels, point in histogram.points.items()
            ]
            data = pb.Histogram(data_points=points, aggregation_temporality=temporality)
            metrics.append(pb.Metric(name=histogram.name, unit=histogram.unit, histogram=data))
        for counter in each.sums:
            numbers = [
                pb.NumberDataPoint(attributes=pairs(labels), as_int=value, **times)
                for labels, value in counter.points.items()
            ]
            total = pb.Sum(
                data_points=numbers,
                aggregation_temporality=temporality if counter.monotonic else pb.AGGREGATION_TEMPORALITY_CUMULATIVE,
                is_monotonic=counter.monotonic,
            )
            metrics.append(pb.Metric(name=counter.name, unit=counter.unit, sum=total))
    scoped = pb.ScopeMetrics(scope=SCOPE, metrics=metrics, schema_url=semconv.SCHEMA_URL)
    told = pb.ResourceMetrics(resource=MESSAGE, scope_metrics=[scoped], schema_url=RESOURCE.schema_url)
    found = ExportMetricsServiceRequest.FromString(encode_snapshots(snapshots, RESOURCE))
    assert found == ExportMetricsServiceRequest(resource_metrics=[told])


@given(st.integers(-(1 << 63), (1 << 63) - 1), TEXTS)
def test_what_a_receiver_refuses_is_read(count: int, message: str) -> None:
    """A partial success says how many; a warning with none, or less than none, refuses nothing."""
    partial = ExportTracePartialSuccess(rejected_spans=count, error_message=message)
    response = ExportTraceServiceResponse(partial_success=partial)
    assert rejected_items(response.SerializeToString()) == max(count, 0)


@given(st.binary(max_size=40))
@example(b"\x0a\x05\x08")
@example(b"\x0b\x0c")
@example(b"\xff" * 12)
def test_an_answer_that_is_no_otlp_refuses_nothing(answer: bytes) -> None:
    """A proxy's page, half a message or noise: never an exception, and a count only where there is one."""
    assert rejected_items(answer) >= 0
