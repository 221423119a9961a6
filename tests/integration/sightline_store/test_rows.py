"""OTLP in, rows out: what ClickHouse makes of segments, and what happens to those it cannot read."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from sightline_collector.request import otlp
from sightline_collector.settings import CollectorSettings
from sightline_collector.shipping.shipper import Shipper
from sightline_collector.spool import record
from sightline_collector.spool.writer import Spool
from sightline_collector.telemetry import Counts
from sightline_store import ingest
from sightline_store.client import Client
from sightline_store.ingest import Signal
from sightline_store.prices import model_prices
from sightline_store.settings import StoreSettings

_START = 1_780_000_000_123_456_789


@pytest.fixture
def client(emptied: Callable[..., Client]) -> Client:
    """A client of tables without rows."""
    return emptied()


def _traces() -> tuple[ExportTraceServiceRequest, Span]:
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "rag-api"
    scope = resource.scope_spans.add()
    scope.scope.name, scope.scope.version = "lib", "1.2"
    span = scope.spans.add(
        trace_id=bytes(range(16)), span_id=bytes(range(8)), name="chat m", kind=Span.SPAN_KIND_CLIENT,
        start_time_unix_nano=_START, end_time_unix_nano=_START + 1_500_000_000,
    )  # fmt: skip
    return request, span


def _insert(client: Client, signal: Signal, body: bytes, token: str) -> None:
    ingest.insert_segment(client, signal, record.encode(otlp.check(signal, body).payload), token)


def test_indexes_over_attributes_are_built_by_merges(client: Client) -> None:
    """The part of an INSERT has the index that finds a trace by its id, and none over attributes."""

    def built() -> set[str]:
        rows = client.query_rows(
            "SELECT name FROM system.data_skipping_indices WHERE database = {database:String} "
            "AND table = 'otel_traces' AND data_compressed_bytes > 0",
            {"database": client.settings.database},
        )
        return {row["name"] for row in rows}

    for number in range(2):
        request, span = _traces()
        span.attributes.add(key="number").value.int_value = number
        _insert(client, Signal.TRACES, request.SerializeToString(), f"index-{number}")
    of_attributes = {f"idx_{of}_attr_{what}" for of in ("res", "span") for what in ("key", "value")}
    assert built() == {"idx_trace_id", "idx_duration"}
    client.command("OPTIMIZE TABLE otel_traces FINAL")
    assert built() == {"idx_trace_id", "idx_duration", *of_attributes}


def test_span_becomes_the_official_exporters_row(client: Client) -> None:
    """Every column of otel_traces: hex ids, names of kinds, sorted maps, texts of every kind of value."""
    request, span = _traces()
    values = {"z": 1, "s": "text", "empty": "", "d": 0.25, "b": True, "neg": -(2**63)}
    for key, value in values.items():
        target = span.attributes.add(key=key).value
        kind = {bool: "bool_value", int: "int_value", float: "double_value", str: "string_value"}[type(value)]
        setattr(target, kind, value)
    array = span.attributes.add(key="a").value.array_value
    array.values.add().string_value = 'x"y'
    array.values.add().int_value = 2
    span.attributes.add(key="bytes").value.bytes_value = b"\x00\xff"
    span.attributes.add(key="nan").value.double_value = math.nan
    nested = span.attributes.add(key="nested").value.kvlist_value.values.add(key="k").value
    nested.array_value.values.add().bool_value = False
    event = span.events.add(name="first", time_unix_nano=_START + 5)
    event.attributes.add(key="e").value.int_value = 1
    span.links.add(trace_id=b"\xaa" * 16, span_id=b"\xbb" * 8, trace_state="ts").attributes.add(key="l")
    span.status.code, span.status.message = 2, "boom"
    span.trace_state = "a=b"
    _insert(client, Signal.TRACES, request.SerializeToString(), "row")
    (row,) = client.query_rows("SELECT *, toUnixTimestamp64Nano(Timestamp) AS ns FROM otel_traces")
    assert row["ns"] == _START
    assert row["TraceId"] == "000102030405060708090a0b0c0d0e0f"
    assert (row["SpanId"], row["ParentSpanId"]) == ("0001020304050607", "")
    assert (row["SpanKind"], row["StatusCode"], row["StatusMessage"]) == ("Client", "Error", "boom")
    scope = (row["ServiceName"], row["ScopeName"], row["ScopeVersion"], row["TraceState"])
    assert scope == ("rag-api", "lib", "1.2", "a=b")
    assert row["Duration"] == 1_500_000_000
    assert row["SpanAttributes"] == {
        "a": '["x\\"y",2]', "b": "true", "bytes": "AP8=", "d": "0.25", "empty": "", "nan": "NaN",
        "neg": str(-(2**63)), "nested": '{"k":[false]}', "s": "text", "z": "1",
    }  # fmt: skip
    assert list(row["SpanAttributes"]) == sorted(row["SpanAttributes"])
    assert (row["Events.Name"], row["Events.Attributes"]) == (["first"], [{"e": "1"}])
    assert (row["Links.TraceId"], row["Links.SpanId"], row["Links.TraceState"]) == (["aa" * 16], ["bb" * 8], ["ts"])


def test_odd_spans_are_stored_and_hurt_nothing(client: Client) -> None:
    """Zero ids, an end before the start, kinds of the future, an empty name."""
    request, span = _traces()
    span.trace_id, span.span_id, span.name = bytes(16), b"", ""
    span.end_time_unix_nano = _START - 1
    span.kind, span.status.code = 77, 9  # type: ignore[assignment]
    _insert(client, Signal.TRACES, request.SerializeToString(), "odd")
    (row,) = client.query_rows("SELECT TraceId, SpanId, Duration, SpanKind, StatusCode FROM otel_traces")
    assert row == {"TraceId": "", "SpanId": "", "Duration": 0, "SpanKind": "", "StatusCode": ""}


def test_segment_sent_twice_adds_nothing_across_days(client: Client) -> None:
    """The same token: no row more, in the table, behind the views, and when the spans lie on three days."""
    request, span = _traces()
    span.attributes.add(key="gen_ai.operation.name").value.string_value = "chat"
    for day in (1, 2):
        copy = request.resource_spans[0].scope_spans[0].spans.add()
        copy.CopyFrom(span)
        copy.span_id = day.to_bytes(8, "big")
        copy.start_time_unix_nano = _START + day * 86_400_000_000_000
    for _ in range(3):
        _insert(client, Signal.TRACES, request.SerializeToString(), "same")
    _insert(client, Signal.TRACES, request.SerializeToString(), "other")
    counts = client.query_rows("SELECT (SELECT count() FROM otel_traces) AS a, (SELECT count() FROM llm_calls) AS b")
    assert counts == [{"a": 6, "b": 6}]


def test_spans_of_very_many_days_are_stored(client: Client) -> None:
    """Late and absurd times are rows like others: no limit of partitions, no date that cannot be."""
    request, span = _traces()
    for day in range(120):
        copy = request.resource_spans[0].scope_spans[0].spans.add()
        copy.CopyFrom(span)
        copy.start_time_unix_nano = _START - day * 86_400_000_000_000
    for start_ns in (0, 2**63 - 1, 2**64 - 1):
        copy = request.resource_spans[0].scope_spans[0].spans.add()
        copy.CopyFrom(span)
        copy.start_time_unix_nano = start_ns
    _insert(client, Signal.TRACES, request.SerializeToString(), "days")
    assert client.query_rows("SELECT count() AS n FROM otel_traces") == [{"n": 124}]


def test_evaluation_event_becomes_a_score(client: Client) -> None:
    """gen_ai.evaluation.result lands in otel_logs and in scores; a failed judge has no value."""
    request = ExportLogsServiceRequest()
    records = request.resource_logs.add().scope_logs.add().log_records
    for value in (0.75, None):
        entry = records.add(
            event_name="gen_ai.evaluation.result", trace_id=b"\x01" * 16, span_id=b"\x02" * 8,
            observed_time_unix_nano=_START, severity_number=9,
        )  # fmt: skip
        entry.body.string_value = "scored"
        entry.attributes.add(key="gen_ai.evaluation.name").value.string_value = "faithfulness"
        if value is None:
            entry.attributes.add(key="error.type").value.string_value = "JudgeTimeout"
        else:
            entry.attributes.add(key="gen_ai.evaluation.score.value").value.double_value = value
    _insert(client, Signal.LOGS, request.SerializeToString(), "scores")
    rows = client.query_rows("SELECT Name, Value, ErrorType, TraceId FROM scores ORDER BY ErrorType")
    assert [(row["Name"], row["Value"], row["ErrorType"]) for row in rows] == [
        ("faithfulness", 0.75, ""),
        ("faithfulness", None, "JudgeTimeout"),
    ]
    (log,) = client.query_rows("SELECT DISTINCT Body, SeverityNumber, TraceId, TimestampTime FROM otel_logs")
    assert (log["Body"], log["SeverityNumber"], log["TraceId"]) == ("scored", 9, "01" * 16)
    assert log["TimestampTime"].replace(tzinfo=UTC) == datetime.fromtimestamp(_START // 10**9, UTC)


def test_cost_is_joined_from_prices_and_unknown_stays_unknown(client: Client) -> None:
    """Cache tokens are inside input tokens; a model without a price has no cost, and no tokens no cost either."""
    request, span = _traces()

    def call(model: str, **tokens: int) -> None:
        copy = request.resource_spans[0].scope_spans[0].spans.add()
        copy.CopyFrom(span)
        copy.span_id = len(request.resource_spans[0].scope_spans[0].spans).to_bytes(8, "big")
        for key, value in {"operation.name": "chat", "provider.name": "openai", "request.model": model}.items():
            copy.attributes.add(key=f"gen_ai.{key}").value.string_value = value
        for key, count in tokens.items():
            copy.attributes.add(key=f"gen_ai.usage.{key.replace('__', '.')}").value.int_value = count

    call("gpt-4o-mini", input_tokens=1_000_000, cache_read__input_tokens=400_000, output_tokens=100_000)
    call("gpt-4o-mini")
    call("house-model", input_tokens=10, output_tokens=10)
    _insert(client, Signal.TRACES, request.SerializeToString(), "cost")
    assert model_prices.refresh(client) == ["openai/gpt-4o-mini"]
    assert model_prices.refresh(client) == []
    rows = client.query_rows("SELECT RequestModel, CostUsd FROM llm_calls_priced ORDER BY RequestModel, CostUsd")
    assert rows[0]["CostUsd"] == pytest.approx(0.6 * 0.15 + 0.4 * 0.075 + 0.1 * 0.6, abs=1e-9)
    assert [row["CostUsd"] for row in rows[1:]] == [None, None]


def test_poisoned_request_is_set_aside_and_the_rest_is_stored(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One request that ClickHouse cannot read: its segment's others are stored once, it goes to dead-letter/."""
    monkeypatch.setattr(otlp, "check", lambda _signal, body: otlp.Checked(body, 1))
    settings = CollectorSettings(spool_dir=tmp_path, segment_max_age_s=0.2)
    counts = Counts()
    shipper = Shipper(client, counts)
    spool = Spool(settings, shipper.take)
    good = []
    for index in range(5):
        request, span = _traces()
        span.name = f"good {index}"
        good.append(request.SerializeToString())
    for body in [*good[:2], b"\x0a\x05\x12\x7fabc", *good[2:]]:
        spool.append(Signal.TRACES, body, {"": 1})[0].result(5)
    shipper.start(spool)
    spool.close()
    shipper.stop(20)
    assert client.query_rows("SELECT count() AS n, uniqExact(SpanName) AS u FROM otel_traces") == [{"n": 5, "u": 5}]
    (letter,) = (tmp_path / "dead-letter").glob("*.records")
    assert b"\x12\x7fabc" in letter.read_bytes()
    assert letter.with_suffix(".reason").read_text()
    assert not list((tmp_path / "traces").glob("*.seg"))


def test_damaged_segment_is_quarantined_and_the_line_goes_on(client: Client, tmp_path: Path) -> None:
    """A flipped bit moves the segment aside; the whole records before it and later segments are stored."""
    settings = CollectorSettings(spool_dir=tmp_path, segment_max_age_s=0.2)
    closed = []
    spool = Spool(settings, closed.append)
    for name in ("before", "damaged"):
        request, span = _traces()
        span.name = name
        spool.append(Signal.TRACES, request.SerializeToString(), {"": 1})[0].result(5)
    spool.close()
    data = bytearray(closed[0].path.read_bytes())
    data[-20] ^= 1
    closed[0].path.write_bytes(bytes(data))
    shipper = Shipper(client, Counts())
    spool = Spool(settings, shipper.take)
    request, span = _traces()
    span.name = "after"
    spool.append(Signal.TRACES, request.SerializeToString(), {"": 1})[0].result(5)
    shipper.start(spool)
    spool.close()
    shipper.stop(20)
    names = {row["SpanName"] for row in client.query_rows("SELECT SpanName FROM otel_traces")}
    assert names == {"before", "after"}
    (reason,) = (tmp_path / "quarantine").glob("*.reason")
    assert "checksum" in reason.read_text()


def test_shipper_waits_for_a_store_that_is_away(tmp_path: Path) -> None:
    """While nobody answers the segment stays; stopping then leaves it for the next start."""
    settings = CollectorSettings(spool_dir=tmp_path, segment_max_age_s=0.05)
    shipper = Shipper(Client(StoreSettings(url="http://127.0.0.1:9")), Counts())
    spool = Spool(settings, shipper.take)
    shipper.start(spool)
    spool.append(Signal.TRACES, _traces()[0].SerializeToString(), {"": 1})[0].result(5)
    time.sleep(0.3)
    spool.close()
    shipper.stop(0.2)
    assert len(list((tmp_path / "traces").glob("*.seg"))) == 1
