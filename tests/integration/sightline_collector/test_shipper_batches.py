"""Segments that go to the store together: what one of them has does not become the others'."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from otlp_spellings import KNOWN

from sightline_collector.request import otlp
from sightline_collector.settings import CollectorSettings
from sightline_collector.shipping.shipper import Shipper
from sightline_collector.spool import record
from sightline_collector.spool.segment import ClosedSegment
from sightline_collector.spool.writer import Spool
from sightline_collector.telemetry import Counts
from sightline_store.client import Client
from sightline_store.errors import QueryFailed, SchemaError
from sightline_store.ingest import Signal


@pytest.fixture
def client(emptied: Callable[..., Client]) -> Client:
    """A client of tables without rows."""
    return emptied()


def _body(name: str) -> bytes:
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "together"
    resource.scope_spans.add().spans.add(name=name, trace_id=b"t" * 16, span_id=b"s" * 8)
    return request.SerializeToString()


def _segments(folder: Path, bodies: list[bytes]) -> list[ClosedSegment]:
    closed: list[ClosedSegment] = []
    for body in bodies:
        spool = Spool(CollectorSettings(spool_dir=folder), lambda _: None)
        spool.append(Signal.TRACES, body, {"together": 1})[0].result(5)
        spool.close()
    Spool(CollectorSettings(spool_dir=folder), closed.append).close()
    return closed


def _ship(client: Client, folder: Path) -> Counts:
    counts = Counts()
    shipper = Shipper(client, counts)
    spool = Spool(CollectorSettings(spool_dir=folder), shipper.take)
    shipper.start(spool)
    spool.close()
    shipper.stop(30)
    return counts


def _names(client: Client) -> list[str]:
    return [row["SpanName"] for row in client.query_rows("SELECT SpanName FROM otel_traces ORDER BY SpanName")]


def test_segments_that_wait_go_in_one_insert(client: Client, tmp_path: Path) -> None:
    """Nine segments are one block of rows, counted by service, and nothing of them stays."""
    _segments(tmp_path, [_body(f"n{number}") for number in range(9)])
    counts = _ship(client, tmp_path)
    assert _names(client) == [f"n{number}" for number in range(9)]
    (parts,) = client.query_rows("SELECT uniqExact(_part) AS n FROM otel_traces")
    assert parts["n"] == 1
    stats = counts.as_dict(0)
    assert (stats["stored_spans"], stats["services"]) == (9, {"together": {"shipped_spans": 9}})
    assert {path.suffix for path in (tmp_path / "traces").iterdir()} == {".summary"}


def test_poisoned_segment_goes_alone(client: Client, tmp_path: Path) -> None:
    """What ClickHouse cannot read goes to dead-letter/, the segments beside it are stored once."""
    _segments(tmp_path, [_body("a"), _body("b"), b"\x0a\x05\x12\x7fabc", _body("c")])
    _ship(client, tmp_path)
    assert _names(client) == ["a", "b", "c"]
    assert len(list((tmp_path / "dead-letter").glob("*.records"))) == 1
    assert {path.suffix for path in (tmp_path / "traces").iterdir()} == {".summary"}


def test_damaged_segment_is_quarantined_behind_its_batch(client: Client, tmp_path: Path) -> None:
    """A flipped bit costs its segment, not the others."""
    damaged = _segments(tmp_path, [_body("a"), _body("b"), _body("c")])[1]
    data = bytearray(damaged.path.read_bytes())
    data[-20] ^= 1
    damaged.path.write_bytes(bytes(data))
    counts = _ship(client, tmp_path)
    assert _names(client) == ["a", "c"]
    assert len(list((tmp_path / "quarantine").glob("*.reason"))) == 1
    assert (counts.as_dict(0)["stored_spans"], counts.as_dict(0)["dead_letter_spans"]) == (2, 1)
    assert {path.suffix for path in (tmp_path / "traces").iterdir()} == {".summary"}


_POISON = b"\x0a\x05\x12\x7fabc"


def _of(service: str, spans: int) -> bytes:
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.add(key="service.name").value.string_value = service
    scope = resource.scope_spans.add()
    for number in range(spans):
        scope.spans.add(name=f"{service} {number}", trace_id=b"t" * 16, span_id=b"s" * 8)
    return request.SerializeToString()


def _one_segment(folder: Path, bodies: list[tuple[bytes, dict[str, int]]]) -> ClosedSegment:
    closed: list[ClosedSegment] = []
    spool = Spool(CollectorSettings(spool_dir=folder), closed.append)
    for body, services in bodies:
        spool.append(Signal.TRACES, body, services)[0].result(5)
    spool.close()
    (segment,) = closed
    return segment


def test_neighbours_of_a_poisoned_request_are_counted_as_shipped(client: Client, tmp_path: Path) -> None:
    """What was stored out of a poisoned segment is counted by service; only the rest counts as dead-letter."""
    _one_segment(
        tmp_path, [(_of("a", 3), {"a": 3}), (_POISON, {"b": 2}), (_of("b", 1), {"b": 1}), (_of("a", 1), {"a": 1})]
    )
    counts = _ship(client, tmp_path)
    assert len(_names(client)) == 5
    stats = counts.as_dict(0)
    assert stats["services"] == {"a": {"shipped_spans": 4}, "b": {"shipped_spans": 1}}
    assert (stats["stored_spans"], stats["dead_letter_spans"]) == (5, 2)


def test_records_before_damage_are_counted_as_shipped(client: Client, tmp_path: Path) -> None:
    """The whole records of a damaged segment count as stored, alone or with others; the rest as dead-letter."""
    segment = _one_segment(tmp_path, [(_of("a", 3), {"a": 3}), (_of("b", 2), {"b": 2})])
    data = bytearray(segment.path.read_bytes())
    data[-20] ^= 1
    segment.path.write_bytes(bytes(data))
    for others in (0, 1):
        folder = tmp_path / f"with {others}"
        if others:
            _one_segment(folder, [(_of("c", 1), {"c": 1})])
        (folder / "traces").mkdir(parents=True, exist_ok=True)
        (folder / "traces" / segment.path.name).write_bytes(bytes(data))
        stats = _ship(client, folder).as_dict(0)
        assert {"a": {"shipped_spans": 3}}.items() <= stats["services"].items()
        assert (stats["stored_spans"], stats["dead_letter_spans"]) == (3 + others, 2)


def test_poison_before_damage_holds_nobody_up(client: Client, tmp_path: Path) -> None:
    """A segment that is damaged on disk and holds a request that cannot be read: its readable records are stored."""
    segment = _one_segment(
        tmp_path, [(_of("a", 1), {"a": 1}), (_POISON, {"b": 1}), (_of("b", 1), {"b": 1}), (_of("c", 1), {"c": 1})]
    )
    data = bytearray(segment.path.read_bytes())
    data[-20] ^= 1
    segment.path.write_bytes(bytes(data))
    stats = _ship(client, tmp_path).as_dict(0)
    assert _names(client) == ["a 0", "b 0"]
    assert (stats["stored_spans"], stats["dead_letter_spans"]) == (2, 2)
    assert len(list((tmp_path / "quarantine").glob("*.seg"))) == 1


def test_request_of_an_earlier_version_is_stored_as_protobuf_reads_it(client: Client, tmp_path: Path) -> None:
    """A spooled request that ClickHouse cannot read as it stands is written anew before it is given up."""
    signal, odd = KNOWN["value_text_and_number"]
    assert signal == Signal.TRACES
    _one_segment(tmp_path, [(_of("a", 1), {"a": 1}), (odd, {"": 1})])
    stats = _ship(client, tmp_path).as_dict(0)
    rows = client.query_rows("SELECT SpanAttributes['k'] AS k FROM otel_traces ORDER BY k")
    assert [row["k"] for row in rows] == ["", "7"]
    assert (stats["stored_spans"], stats["dead_letter_spans"]) == (2, 0)
    assert not (tmp_path / "dead-letter").exists()


def test_requests_are_not_parsed_again_to_count_them(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was counted on the way in is what is counted as shipped, after a restart too."""
    _one_segment(tmp_path, [(_of("a", 3), {"a": 3}), (_of("b", 1), {"b": 1})])

    def parsed(*_: Any) -> dict[str, int]:
        raise AssertionError("a request was parsed again")

    with monkeypatch.context() as patch:
        patch.setattr(otlp, "services", parsed)
        stats = _ship(client, tmp_path).as_dict(0)
    assert stats["services"] == {"a": {"shipped_spans": 3}, "b": {"shipped_spans": 1}}


def test_spool_of_an_earlier_version_is_shipped(client: Client, tmp_path: Path) -> None:
    """A segment with digests in a `.seen` file is counted by reading it, and a retry of its requests is recognised."""
    body = _of("a", 3)
    segment = _one_segment(tmp_path, [(body, {"a": 3})])
    segment.path.with_name(f"{segment.name}.summary").unlink()
    segment.path.with_name(f"{segment.name}.seen").write_bytes(record.digest(Signal.TRACES, body))
    shipper = Shipper(client, counts := Counts())
    spool = Spool(CollectorSettings(spool_dir=tmp_path), shipper.take)
    shipper.start(spool)
    assert spool.append(Signal.TRACES, body, {"a": 3})[1] is False
    spool.close()
    shipper.stop(30)
    assert counts.as_dict(0)["services"] == {"a": {"shipped_spans": 3}}
    assert _names(client) == ["a 0", "a 1", "a 2"]
    spool = Spool(CollectorSettings(spool_dir=tmp_path), lambda _: None)
    assert spool.append(Signal.TRACES, body, {"a": 3})[1] is False
    spool.close()


class _Refused(Client):
    """A client whose inserts are refused as a store refuses those of a key that was revoked."""

    attempts = 0
    code = 516

    def insert_raw(self, table: str, payload: bytes | BinaryIO, fmt: str, settings: Mapping[str, Any]) -> None:
        self.attempts += 1
        raise QueryFailed(self.code, "Authentication failed")


@pytest.mark.parametrize("code", [516, 497, 60, 469])
def test_segments_wait_for_a_store_that_takes_nothing(
    client: Client, tmp_path: Path, code: int, caplog: pytest.LogCaptureFixture
) -> None:
    """A revoked key, a reader's key, or an upgrade is no fault of the segments: they wait and are stored later."""
    _segments(tmp_path, [_body("a"), _body("b")])
    refused = _Refused(client.settings)
    refused.code = code
    shipper = Shipper(refused, Counts())
    spool = Spool(CollectorSettings(spool_dir=tmp_path), shipper.take)
    shipper.start(spool)
    spool.close()
    deadline = time.monotonic() + 30
    while refused.attempts < 4 and time.monotonic() < deadline:
        time.sleep(0.02)
    shipper.stop(0)
    refused.close()
    assert refused.attempts >= 4
    assert ("the store is being upgraded" in caplog.text) == (code in {60, 469})
    assert not (tmp_path / "dead-letter").exists()
    assert len(list((tmp_path / "traces").glob("*.seg"))) == 2
    _ship(client, tmp_path)
    assert _names(client) == ["a", "b"]


def test_schema_that_does_not_fit_ends_the_shipper(client: Client, tmp_path: Path) -> None:
    """A store that this version cannot write to is a failure at once, with a sentence; what waits stays."""
    _segments(tmp_path, [_body("a")])

    def refuse(_: Client) -> None:
        raise SchemaError("the store is newer")

    counts, failed = Counts(), threading.Event()
    shipper = Shipper(client, counts, prepare=refuse)
    spool = Spool(CollectorSettings(spool_dir=tmp_path), shipper.take)
    shipper.call_on_failure(failed.set)
    shipper.start(spool)
    assert failed.wait(10)
    assert str(shipper.failure) == "the store is newer"
    spool.close()
    shipper.stop(10)
    assert len(list((tmp_path / "traces").glob("*.seg"))) == 1
