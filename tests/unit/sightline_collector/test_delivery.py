"""What a refusal of the store or of the disk does to segments, to what is counted and to the log."""

from __future__ import annotations

import errno
import logging
from collections.abc import Sequence
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from simulated_disk import SimulatedDisk
from simulated_store import POISON, SimulatedStore

from sightline_collector.settings import CollectorSettings
from sightline_collector.shipping.shipper import Shipper
from sightline_collector.spool.writer import Spool
from sightline_collector.telemetry import Counts
from sightline_store.errors import QueryFailed
from sightline_store.ingest import Signal

_FOLDER = Path("/spool")


class _Collector:
    """Some segments in a spool on a disk in memory, and a shipper that turns when the test says so."""

    def __init__(self, segments: Sequence[Sequence[str]]) -> None:
        self.disk = SimulatedDisk()
        self.store = SimulatedStore(lambda: None)
        self.counts = Counts()
        settings = CollectorSettings(spool_dir=_FOLDER, segment_max_age_s=1e6)
        for names in segments:
            spool = Spool(settings, lambda _: None, self.disk)
            for name in names:
                spool.append(Signal.TRACES, _body(name), {"": 1})[0].result(5)
            spool.close()
        self.shipper = Shipper(self.store, self.counts, prepare=lambda _: None)
        spool = Spool(settings, self.shipper.take, self.disk)
        spool.close()
        self.shipper.resume(spool)

    def turn(self, times: int = 1) -> None:
        """Let the shipper work."""
        for _ in range(times):
            self.shipper.turn()

    def files(self, folder: str, suffix: str) -> int:
        """How many there are."""
        return len(self.disk.names(_FOLDER / folder, suffix))


def _body(name: str) -> bytes:
    request = ExportTraceServiceRequest()
    request.resource_spans.add().scope_spans.add().spans.add(name=name)
    return request.SerializeToString()


@pytest.mark.parametrize("code", [36, 115, 452, 497, 516, 636])
@pytest.mark.parametrize("is_poisoned", [False, True])
def test_segments_wait_while_the_store_refuses_what_is_known_to_be_good(code: int, *, is_poisoned: bool) -> None:
    """Whatever its code says: nothing goes to dead-letter before the store takes a good request again."""
    collector = _Collector([["a"], ["b", POISON.decode() if is_poisoned else "c"]])
    collector.store.refusal = QueryFailed(code, "Setting x should not be changed")
    collector.turn(5)
    assert collector.files("traces", ".seg") == 2
    assert collector.files("dead-letter", ".records") == 0
    collector.store.refusal = None
    collector.turn(5)
    assert collector.shipper.waiting == 0
    assert collector.store.rows.total() == 3 - is_poisoned
    assert collector.files("dead-letter", ".records") == is_poisoned


@pytest.mark.parametrize("segments", [[["a", "b"], ["c"]], [["a", POISON.decode(), "b"], ["c"]]])
@pytest.mark.parametrize("failed_operations", range(1, 12))
def test_what_was_shipped_is_counted_once(segments: list[list[str]], failed_operations: int) -> None:
    """However often removing its segments fails after that."""
    collector = _Collector(segments)
    collector.disk.faults.extend([(failed_operations, errno.EIO)] + [(0, errno.EIO)] * 2)
    collector.turn(12)
    assert collector.shipper.waiting == 0
    counted = collector.counts.as_dict(0)
    poisoned = sum(POISON.decode() in names for names in segments)
    assert (counted["stored_spans"], counted["dead_letter_spans"]) == (3, poisoned)
    assert counted["services"] == {"": {"shipped_spans": 3}}


def test_unexpected_error_is_in_the_log_now_and_then(caplog: pytest.LogCaptureFixture) -> None:
    """Its traceback at the first attempt and at the tenth, not at each."""
    collector = _Collector([["a"]])
    collector.store.refusal = TypeError("unexpected")  # type: ignore[assignment]
    with caplog.at_level(logging.WARNING):
        collector.turn(20)
    assert sum(record.exc_info is not None for record in caplog.records) == 2
    assert collector.files("traces", ".seg") == 1
