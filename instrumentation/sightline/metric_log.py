"""Metrics -> an OTLP request. Runs on exporting threads only; written with the protocol's own messages.

Source: https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/metrics/v1/metrics.proto
"""

from collections.abc import Iterable

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb
from opentelemetry.proto.resource.v1.resource_pb2 import Resource as ResourceMessage
from opentelemetry.sdk.resources import Resource

from sightline import semconv
from sightline.metrics import Histogram, Snapshot, Sum
from sightline.runtime import SCOPE_NAME, VERSION
from sightline.score_log import attributes_of


def encode_snapshots(batch: Iterable[Snapshot], resource: Resource) -> bytes:
    """Return an ExportMetricsServiceRequest with everything in the snapshots."""
    metrics = [metric for snapshot in batch for metric in _metrics(snapshot)]
    scope = pb.ScopeMetrics(
        scope=InstrumentationScope(name=SCOPE_NAME, version=VERSION), metrics=metrics, schema_url=semconv.SCHEMA_URL
    )
    message = ResourceMessage(attributes=attributes_of(resource.attributes))
    request = ExportMetricsServiceRequest(
        resource_metrics=[pb.ResourceMetrics(resource=message, scope_metrics=[scope])]
    )
    return bytes(request.SerializeToString())


def _metrics(snapshot: Snapshot) -> Iterable[pb.Metric]:
    temporality = (
        pb.AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA
        if snapshot.delta
        else pb.AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
    )
    for histogram in snapshot.histograms:
        points = _histogram_points(histogram, snapshot)
        data = pb.Histogram(data_points=points, aggregation_temporality=temporality)
        yield pb.Metric(name=histogram.name, unit=histogram.unit, histogram=data)
    for each in snapshot.sums:
        numbers = _number_points(each, snapshot)
        total = pb.Sum(
            data_points=numbers,
            # What goes up and down has no meaning as a difference to the last report.
            aggregation_temporality=temporality
            if each.monotonic
            else pb.AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE,
            is_monotonic=each.monotonic,
        )
        yield pb.Metric(name=each.name, unit=each.unit, sum=total)


def _histogram_points(histogram: Histogram, snapshot: Snapshot) -> list[pb.HistogramDataPoint]:
    return [
        pb.HistogramDataPoint(
            attributes=attributes_of(dict(labels)),
            start_time_unix_nano=snapshot.since_ns,
            time_unix_nano=snapshot.until_ns,
            count=sum(point.counts),
            sum=point.total,
            min=point.least,
            max=point.most,
            bucket_counts=point.counts,
            explicit_bounds=histogram.bounds,
        )
        for labels, point in histogram.points.items()
    ]


def _number_points(each: Sum, snapshot: Snapshot) -> list[pb.NumberDataPoint]:
    return [
        pb.NumberDataPoint(
            attributes=attributes_of(dict(labels)),
            start_time_unix_nano=snapshot.since_ns,
            time_unix_nano=snapshot.until_ns,
            as_int=value,
        )
        for labels, value in each.points.items()
    ]


def rejected_points(body: bytes) -> int:
    """Return 1 when the collector says that it refused some points of a snapshot, else 0."""
    try:
        return int(bool(body and ExportMetricsServiceResponse.FromString(body).partial_success.rejected_data_points))
    except Exception:
        return 0
