"""Tail sampling on the real engine: what is kept, what it weighs, and that a crash at any step changes neither."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from sightline_collector.settings import CollectorSettings, SamplingSettings
from sightline_collector.shipping.delivery import Delivery
from sightline_collector.shipping.shipper import Shipper
from sightline_collector.spool import record, verdict
from sightline_collector.spool.segment import ClosedSegment
from sightline_collector.spool.writer import Spool
from sightline_collector.telemetry import Counts
from sightline_store import ingest, sampling
from sightline_store.client import Client
from sightline_store.ingest import Signal

Plain = Callable[[list[bytes]], dict[str, list[Any]]]

_START = 1_780_000_000_123_456_789
_SPANS = 3
_WEIGHT = "SpanAttributes['sightline.sampling.weight']"
_TYPED = {
    "otel_traces_trace_id_ts": "TraceId, Start, End",
    "requests": "SpanId, Name, DurationMs, StatusCode",
    "llm_calls": "SpanId, RequestModel, InputTokens, DurationMs",
    "stages": "SpanId, Stage, DurationMs",
    "retrievals": "SpanId, Collection",
    "clamped_spans": "ServiceName, Hour, sum(Spans)",
    "instances": "InstanceId, sum(Spans), max(HighestSequence)",
}


@pytest.fixture
def client(emptied: Callable[..., Client]) -> Client:
    """A client of tables without rows."""
    return emptied()


@pytest.fixture(scope="module")
def plain(emptied: Callable[..., Client]) -> Plain:
    """The typed tables of a second database that takes the same requests without sampling."""
    client = emptied("emptied_second")
    known: dict[tuple[bytes, ...], dict[str, list[Any]]] = {}

    def rows(bodies: list[bytes]) -> dict[str, list[Any]]:
        if tuple(bodies) not in known:
            for table in _TYPED:
                client.command(f"TRUNCATE TABLE {table}")
            data = b"".join(record.encode(body) for body in bodies)
            ingest.insert_segment(client, Signal.TRACES, data, f"plain-{len(known)}")
            known[tuple(bodies)] = _typed(client)
        return known[tuple(bodies)]

    return rows


class _Killed(BaseException):
    """The end of a process, at a step that the test chose."""


class _Traffic:
    """Traces of three spans: request, search, chat. Ids, times and numbers follow from the seed."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._sequence = 0

    def trace_id(self) -> bytes:
        return self._chance.randbytes(16)

    def request(self, trace_ids: list[bytes], *, failed: bool = False, seconds: float = 0.5) -> bytes:
        """One OTLP request with whole traces; the chat spans are those that fail or take their time."""
        request = ExportTraceServiceRequest()
        resource = request.resource_spans.add()
        for key, value in {"service.name": "rag", "service.instance.id": "one"}.items():
            resource.resource.attributes.add(key=key).value.string_value = value
        scope = resource.scope_spans.add()
        for trace_id in trace_ids:
            root = self._chance.randbytes(8)
            for index, (name, key, text) in enumerate(
                (
                    ("ask", "sightline.stage", "request"),
                    ("find", "sightline.stage", "search"),
                    ("chat", "gen_ai.operation.name", "chat"),
                )
            ):
                self._sequence += 1
                span = scope.spans.add(trace_id=trace_id, name=name, start_time_unix_nano=_START + self._sequence)
                span.span_id = self._chance.randbytes(8) if index else root
                span.parent_span_id = root if index else b""
                span.end_time_unix_nano = span.start_time_unix_nano + (int(seconds * 1e9) if index == 2 else 1000)
                span.attributes.add(key=key).value.string_value = text
                span.attributes.add(key="sightline.span.sequence").value.int_value = self._sequence
                span.status.code = 2 if failed and index == 2 else 0
        return request.SerializeToString()


def _settings(folder: Path, *, share: float = 0.1, window_s: float = 0.0) -> CollectorSettings:
    rule = SamplingSettings(share=share, window_s=window_s, slow_s=2, salt="test")
    return CollectorSettings(spool_dir=folder, segment_max_age_s=60, sampling=rule)


def _spooled(settings: CollectorSettings, bodies: list[bytes]) -> ClosedSegment:
    """A closed segment with these requests."""
    closed: list[ClosedSegment] = []
    spool = Spool(settings, closed.append)
    for body in bodies:
        spool.append(Signal.TRACES, body, {"": body.count(b"sightline.span.sequence")})[0].result(5)
    spool.close()
    return closed[-1]


def _live(client: Client, settings: CollectorSettings) -> Counts:
    """One life of the collector: ships what the spool holds."""
    counts = Counts()
    shipper = Shipper(client, counts, settings.sampling)
    spool = Spool(settings, shipper.take)
    shipper.start(spool)
    spool.close()
    shipper.stop(20)
    return counts


def _typed(client: Client) -> dict[str, list[Any]]:
    rows: dict[str, list[Any]] = {}
    for table, columns in _TYPED.items():
        grouped = f" GROUP BY {columns.split(', sum')[0]}" if "sum(" in columns else ""
        rows[table] = client.query_rows(f"SELECT {columns} FROM {table}{grouped} ORDER BY ALL")
    return rows


def _raw(client: Client) -> list[Any]:
    return client.query_rows(f"SELECT TraceId, SpanId, {_WEIGHT} AS weight FROM otel_traces ORDER BY ALL")


def test_errors_and_slow_traces_are_kept_whole_and_the_rest_by_weight(
    client: Client, plain: Plain, tmp_path: Path
) -> None:
    """Typed tables are those of an unsampled store; raw rows weigh what was received; nothing is in both counts."""
    traffic = _Traffic(1)
    ids = [traffic.trace_id() for _ in range(4000)]
    bodies = [traffic.request(ids[start : start + 50]) for start in range(0, 3900, 50)]
    bodies += [traffic.request(ids[3900:3950], failed=True), traffic.request(ids[3950:], seconds=2)]
    settings = _settings(tmp_path)
    segment = _spooled(settings, bodies)
    assert segment.is_sampled
    assert segment.items == _SPANS * len(ids)
    stats = _live(client, settings).as_dict(0)
    assert _typed(client) == plain(bodies)

    rows = _raw(client)
    spans: dict[str, list[str]] = {}
    for row in rows:
        spans.setdefault(row["TraceId"], []).append(row["weight"])
    assert {len(weights) for weights in spans.values()} == {_SPANS}
    whole = {trace_id.hex() for trace_id in ids[3900:]}
    assert {trace_id for trace_id, weights in spans.items() if set(weights) == {""}} == whole
    assert {weight for trace_id, weights in spans.items() if trace_id not in whole for weight in weights} == {"10"}
    chosen = len(spans) - len(whole)
    assert abs(chosen - 390) < 4 * math.sqrt(3900 * 0.1 * 0.9)
    hashed = client.query_rows(
        "SELECT TraceId FROM otel_traces_trace_id_ts WHERE sipHash64(concat('test', TraceId)) < {below:UInt64}",
        {"below": 2**64 // 10},
    )
    assert {row["TraceId"] for row in hashed} - whole == spans.keys() - whole

    (out,) = client.query_rows("SELECT sum(Spans) AS spans FROM sampled_out_spans")
    assert len(rows) + out["spans"] == segment.items
    assert stats["stored_spans"] == len(rows)
    assert stats["sampled_out_spans"] == out["spans"]
    assert not list((tmp_path / "traces").glob("*.verdict"))


def test_weights_count_what_was_received_whatever_the_salt(client: Client) -> None:
    """Over 300 salts the sum of weights is centred on the number of traces and spreads as a binomial does."""
    (row,) = client.query_rows(
        "SELECT avg(n) AS mean, stddevPop(n) AS sd FROM (SELECT salt, 10. * countIf("
        "sipHash64(concat(toString(salt), lower(hex(sipHash128(id))))) < {below:UInt64}) AS n "
        "FROM (SELECT number AS salt FROM numbers(300)) AS s CROSS JOIN (SELECT number AS id FROM numbers(2000)) AS t "
        "GROUP BY salt)",
        {"below": sampling.Rule(share=0.1, slow_s=1, salt="").below},
    )
    sd = 10 * math.sqrt(2000 * 0.1 * 0.9)
    assert abs(row["mean"] - 2000) < 4 * sd / math.sqrt(300)
    assert 0.8 < row["sd"] / sd < 1.2


def test_error_that_comes_within_the_window_keeps_what_came_before(client: Client, tmp_path: Path) -> None:
    """A trace over two segments is judged by both; after its window an error keeps only what comes from then on."""
    traffic, settings = _Traffic(3), _settings(tmp_path, share=0, window_s=1.0)
    ids = [traffic.trace_id() for _ in range(3)]
    counts = Counts()
    shipper = Shipper(client, counts, settings.sampling)
    for bodies in ([traffic.request(ids)], [traffic.request(ids[:1], failed=True)]):
        folder = tmp_path / str(len(bodies[0]))
        shipper.take(_spooled(CollectorSettings(spool_dir=folder, sampling=settings.sampling), bodies))
    began_s = time.time()
    spool = Spool(dataclasses.replace(settings, segment_max_age_s=0.01), shipper.take)
    shipper.start(spool)
    _until(lambda: counts.as_dict(0)["stored_spans"] == 2 * _SPANS)
    assert {row["TraceId"] for row in _raw(client)} == {ids[0].hex()}
    assert counts.as_dict(0)["late_spans"] == 0
    _until(lambda: time.time() > began_s + 1.1)

    late = CollectorSettings(spool_dir=tmp_path / "late", sampling=settings.sampling)
    shipper.take(_spooled(late, [traffic.request(ids[1:2], failed=True)]))
    shipper.take(_spooled(late, [traffic.request(ids[1:2])]))
    _until(lambda: counts.as_dict(0)["stored_spans"] == 4 * _SPANS)
    spool.close()
    shipper.stop(5)
    per_trace = client.query_rows("SELECT TraceId, count() AS n FROM otel_traces GROUP BY TraceId ORDER BY n")
    assert {row["TraceId"]: row["n"] for row in per_trace} == {ids[0].hex(): 6, ids[1].hex(): 6}
    assert counts.as_dict(0)["sampled_out_spans"] == 2 * _SPANS
    assert counts.as_dict(0)["late_spans"] == 2 * _SPANS


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("step", ["note", "decide", "write", "insert", "stored"])
@pytest.mark.parametrize("then", ["the same", "off", "another share"])
def test_killed_after_any_step_leaves_the_rows_of_one_life(
    client: Client, plain: Plain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, then: str
) -> None:
    """Killed after a step and started again, with more known of its traces or other settings: decided once."""
    traffic = _Traffic(4)
    ids = [traffic.trace_id() for _ in range(60)]
    bodies = [traffic.request(ids[:30]), traffic.request(ids[30:50]), traffic.request(ids[50:], failed=True)]
    settings = _settings(tmp_path)
    segment = _spooled(settings, bodies)
    places: dict[str, tuple[Any, str]] = {
        "note": (ingest, "note_traces"),
        "decide": (sampling, "decide"),
        "write": (verdict, "write"),
        "insert": (ingest, "insert_sampled_traces"),
        "stored": (Spool, "stored"),
    }
    target, name = places[step]
    real = getattr(target, name)

    def killed(*args: Any) -> None:
        real(*args)
        raise _Killed

    spool = Spool(settings, lambda _: None)
    delivery = Delivery(client, Counts(), spool, settings.sampling)
    with monkeypatch.context() as patch:
        patch.setattr(target, name, killed)
        with contextlib.suppress(_Killed):
            delivery.note_traces(segment)
            delivery.ship_alone(segment, 1.0)
            raise AssertionError("it was not killed")
    spool.close()
    before = _raw(client)
    # Now the first traces turn out to have failed, in a segment that was not there before.
    other = _spooled(_settings(tmp_path / "other"), [traffic.request(ids[:5], failed=True)])
    delivery.note_traces(other)
    again = {"the same": settings, "off": _settings(tmp_path, share=1), "another share": _settings(tmp_path, share=0.9)}
    for _ in range(2):
        _live(client, again[then])
    after = _raw(client)
    assert _typed(client) == plain(bodies)
    (out,) = client.query_rows("SELECT sum(Spans) AS spans FROM sampled_out_spans")
    assert len(after) + out["spans"] == segment.items
    assert len({row["SpanId"] for row in after}) == len(after)
    if step in {"insert", "stored"}:
        assert after == before
    if step == "write":
        assert {row["TraceId"] for row in after if row["weight"] == ""} == {trace_id.hex() for trace_id in ids[50:]}
    assert not list((tmp_path / "traces").glob("*.seg"))


@pytest.mark.parametrize("which", [0, -1])
@pytest.mark.parametrize("table", ["otel_traces", "otel_traces_trace_id_ts", "llm_calls", "stages", "instances"])
def test_half_inserted_segment_is_completed_and_not_doubled(
    client: Client, plain: Plain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str, which: int
) -> None:
    """The store was killed with all parts of an INSERT written but one: sent again it adds that one and no other."""
    traffic = _Traffic(5)
    ids = [traffic.trace_id() for _ in range(40)]
    bodies = [traffic.request(ids[:30]), traffic.request(ids[30:], failed=True)]
    settings = _settings(tmp_path)
    segment = _spooled(settings, bodies)
    spool = Spool(settings, lambda _: None)
    delivery = Delivery(client, Counts(), spool, settings.sampling)

    def killed(*_: Any) -> None:
        raise _Killed

    delivery.note_traces(segment)
    client.command(f"SYSTEM STOP MERGES {table}")
    with monkeypatch.context() as patch:
        patch.setattr(Spool, "stored", killed)
        with pytest.raises(_Killed):
            delivery.ship_alone(segment, 1.0)
    spool.close()
    before = _raw(client)
    parts = client.query_rows(
        "SELECT name FROM system.parts WHERE database = currentDatabase() AND table = {table:String} AND active "
        "ORDER BY min_block_number",
        {"table": table},
    )
    client.command(f"ALTER TABLE {table} DROP PART '{parts[which]['name']}'")
    # By now all of its traces are known to have failed, and the settings are others.
    delivery.note_traces(_spooled(_settings(tmp_path / "other"), [traffic.request(ids, failed=True)]))
    _live(client, _settings(tmp_path, share=0.9))
    client.command(f"SYSTEM START MERGES {table}")
    assert _typed(client) == plain(bodies)
    assert _raw(client) == before
    (out,) = client.query_rows("SELECT sum(Spans) AS spans FROM sampled_out_spans")
    assert len(before) + out["spans"] == segment.items


def test_verdict_that_a_client_sends_changes_nothing(client: Client, tmp_path: Path) -> None:
    """A request may carry a field of the verdict's number: its traces are judged like the others."""
    traffic, settings = _Traffic(6), _settings(tmp_path, share=0)
    mine = traffic.trace_id()
    forged = sampling._message(sampling._text(3, mine.hex()), sampling._number(5, 2**64 - 1), sampling._text(6, "1"))
    bodies = [traffic.request([mine]) + forged, traffic.request([traffic.trace_id()], failed=True)]
    _spooled(settings, bodies)
    _live(client, settings)
    assert mine.hex() not in {row["TraceId"] for row in _raw(client)}
    assert len(_raw(client)) == _SPANS


def test_request_that_cannot_be_read_does_not_stop_a_sampled_segment(client: Client, tmp_path: Path) -> None:
    """It goes to dead-letter/; what is left of its segment is kept whole."""
    traffic, settings = _Traffic(7), _settings(tmp_path, share=0)
    _spooled(settings, [traffic.request([traffic.trace_id()]), b"\x0a\x05\x12\x7fabc"])
    _live(client, settings)
    assert [row["weight"] for row in _raw(client)] == [""] * _SPANS
    assert list((tmp_path / "dead-letter").glob("*.records"))
    assert not list((tmp_path / "traces").glob("*.seg"))
