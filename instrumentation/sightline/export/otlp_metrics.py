"""Metrics -> an OTLP request, as protobuf bytes. Runs on exporting threads only.

Source: https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/metrics/v1/metrics.proto
"""

from collections.abc import Iterable, Iterator
from struct import Struct, pack
from typing import Final

from opentelemetry.sdk.resources import Resource

from sightline.export.metrics import Histogram, HistogramPoint, Labels, Snapshot, Sum
from sightline.export.otlp_scores import SCOPE
from sightline.export.otlp_wire import AttributeWriter, delimited, rejected_items, request, text

_DELTA: Final = b"\x10\x01"
_CUMULATIVE: Final = b"\x10\x02"
_MONOTONIC: Final = b"\x18\x01"
_pack_times: Final = Struct("<BQBQ").pack
_pack_sum: Final = Struct("<BQBd").pack
_pack_extremes: Final = Struct("<BdBd").pack
_pack_int: Final = Struct("<Bq").pack


def encode_snapshots(batch: Iterable[Snapshot], resource: Resource) -> bytes:
    """Return an ``ExportMetricsServiceRequest`` with everything in the snapshots."""
    return request(resource, SCOPE, [metric for snapshot in batch for metric in _metrics(snapshot)])


def _metrics(snapshot: Snapshot) -> Iterator[bytes]:
    temporality = _DELTA if snapshot.delta else _CUMULATIVE
    times = _pack_times(0x11, snapshot.start_time_ns, 0x19, snapshot.time_ns)
    for histogram in snapshot.histograms:
        points = [
            delimited(b"\x0a", times + _histogram_point(histogram, *metric)) for metric in histogram.points.items()
        ]
        yield _head(histogram) + delimited(b"\x4a", b"".join(points) + temporality)
    for metric in snapshot.sums:
        points = [delimited(b"\x0a", times + _number_point(*point)) for point in metric.points.items()]
        # A gauge-like sum has no meaning as a difference to the last report.
        kind = temporality + _MONOTONIC if metric.monotonic else _CUMULATIVE
        yield _head(metric) + delimited(b"\x3a", b"".join(points) + kind)


def _head(metric: Histogram | Sum) -> bytes:
    return text(b"\x0a", metric.name) + text(b"\x1a", metric.unit)


def _histogram_point(histogram: Histogram, labels: Labels, point: HistogramPoint) -> bytes:
    counts, bounds = point.counts, histogram.bounds
    return b"".join(
        [
            _pack_sum(0x21, sum(counts), 0x29, point.sum),
            delimited(b"\x32", pack(f"<{len(counts)}Q", *counts)),
            delimited(b"\x3a", pack(f"<{len(bounds)}d", *bounds)),
            AttributeWriter(b"\x4a").write(dict(labels)),
            _pack_extremes(0x59, point.min, 0x61, point.max),
        ]
    )


def _number_point(labels: Labels, value: int) -> bytes:
    return _pack_int(0x31, value) + AttributeWriter(b"\x3a").write(dict(labels))


def rejected_points(body: bytes) -> int:
    """Return 1 when the collector reports rejected data points, else 0."""
    return int(rejected_items(body) > 0)
