"""OTLP/HTTP: what is answered to what."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard
from google.rpc import status_pb2
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from sightline_collector.receiver.access import Access, Sites
from sightline_collector.receiver.http import HttpReceiver
from sightline_collector.receiver.intake import Intake
from sightline_collector.settings import CollectorSettings
from sightline_collector.spool.writer import Spool
from sightline_collector.telemetry import Counts


def _body(name: str = "n") -> bytes:
    request = ExportTraceServiceRequest()
    request.resource_spans.add().scope_spans.add().spans.add(trace_id=b"t" * 16, span_id=b"s" * 8, name=name)
    return request.SerializeToString()


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[HttpReceiver]:
    """A receiver over a real spool."""
    settings = CollectorSettings(spool_dir=tmp_path, keys_file=tmp_path / "keys.json", max_request_bytes=100_000)
    spool = Spool(settings, lambda _: None)
    counts = Counts()
    intake = Intake(spool, counts, Access(settings), Sites(settings), None)
    receiver = HttpReceiver(settings, intake, lambda: counts.as_dict(spool.waiting_bytes), lambda: b"")
    receiver.close_spool = spool.close  # type: ignore[attr-defined]
    yield receiver
    spool.close()


class _Answer:
    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""

    @property
    def message(self) -> str:
        return str(status_pb2.Status.FromString(self.body).message)


async def _ask(
    receiver: HttpReceiver, body: bytes = b"", *, path: str = "/v1/traces", method: str = "POST", **headers: str
) -> _Answer:
    answer = _Answer()
    sent = {"host": "127.0.0.1:4318", "content_type": "application/x-protobuf"} | headers
    parts = [body[i : i + 1000] for i in range(0, len(body), 1000)] or [b""]

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = {k.decode(): v.decode() for k, v in message["headers"]}
        else:
            answer.body += message["body"]

    scope = {
        "type": "http",
        "path": path,
        "method": method,
        "query_string": b"",
        "headers": [(k.replace("_", "-").encode(), v.encode()) for k, v in sent.items()],
    }
    await receiver(scope, receive, send)
    return answer


async def test_success_is_an_empty_response(receiver: HttpReceiver) -> None:
    """200, Protobuf, no bytes: full success."""
    answer = await _ask(receiver, _body())
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["content-type"] == "application/x-protobuf"


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [("gzip", gzip.compress), ("deflate", zlib.compress), ("zstd", zstandard.compress), ("identity", bytes)],
)
async def test_compressed_bodies_are_read(receiver: HttpReceiver, encoding: str, compress: Any) -> None:
    """Gzip and deflate, by Content-Encoding; parameters of Content-Type do not matter."""
    answer = await _ask(
        receiver, compress(_body("x" * 5000)), content_encoding=encoding, content_type="application/x-protobuf; v=1"
    )
    assert answer.status == 200


async def test_empty_request_succeeds(receiver: HttpReceiver) -> None:
    """Nothing to store is success."""
    assert (await _ask(receiver, b"")).status == 200


@pytest.mark.parametrize(
    ("kwargs", "status", "words"),
    [
        ({"body": b"\xff\xff"}, 400, "not a protobuf"),
        ({"body": b"x", "content_type": "text/plain"}, 415, "application/x-protobuf"),
        ({"path": "/v1/nonsense"}, 404, "/v1/traces"),
        ({"path": "/v1development/profiles"}, 404, "/v1/logs"),
        ({"body": zstandard.compress(bytes(50_000_000)), "content_encoding": "zstd"}, 413, "after decompression"),
        ({"body": zstandard.compress(_body())[:-4], "content_encoding": "zstd"}, 400, "zstd"),
        ({"method": "GET"}, 405, "POST"),
        ({"body": b"abc", "content_encoding": "gzip"}, 400, "gzip"),
        ({"body": gzip.compress(_body())[:-4], "content_encoding": "gzip"}, 400, "in the middle"),
        ({"body": b"abc", "content_encoding": "br"}, 400, "Content-Encoding"),
        ({"body": b"\x0a" * 100_001}, 413, "SIGHTLINE_COLLECTOR_MAX_REQUEST_BYTES"),
        ({"body": gzip.compress(bytes(50_000_000)), "content_encoding": "gzip"}, 413, "after decompression"),
        ({"body": _body(), "origin": "http://evil.example"}, 403, "origin"),
        ({"body": _body(), "host": "rebound.example:4318"}, 403, "host"),
    ],
)
async def test_refusals_say_why(receiver: HttpReceiver, kwargs: dict[str, Any], status: int, words: str) -> None:
    """Every 4xx carries a google.rpc.Status whose message helps."""
    answer = await _ask(receiver, **kwargs)
    assert answer.status == status
    assert words in answer.message
    assert "retry-after" not in answer.headers


async def test_draining_spool_is_503_with_retry_after(receiver: HttpReceiver) -> None:
    """What cannot be promised now is retryable, never 500."""
    receiver.close_spool()  # type: ignore[attr-defined]
    answer = await _ask(receiver, _body())
    assert answer.status == 503
    assert int(answer.headers["retry-after"]) > 0


async def test_stats_count(receiver: HttpReceiver) -> None:
    """/stats counts what came, what came again and what was refused."""
    await _ask(receiver, _body())
    await _ask(receiver, _body())
    await _ask(receiver, b"\xff")
    answer = await _ask(receiver, path="/stats", method="GET")
    stats = json.loads(answer.body)
    assert (stats["received_spans"], stats["repeated_spans"], stats["rejected_400"]) == (1, 1, 1)


@pytest.mark.parametrize("ids", ["000102030405060708090a0b0c0d0e0f", "000102030405060708090A0B0C0D0E0F"])
async def test_json_is_read_and_answered_in_json(receiver: HttpReceiver, ids: str) -> None:
    """Hex ids in either case, integer enums, 64-bit integers as strings, nulls, unknown fields."""
    span = {
        "traceId": ids, "spanId": ids[:16], "parentSpanId": None, "name": "n", "kind": 3, "ofLater": {"x": [1]},
        "startTimeUnixNano": "1780000000123456789", "endTimeUnixNano": 1780000000123456790,
        "attributes": [{"key": "nan", "value": {"doubleValue": "NaN"}}, {"key": "i", "value": {"intValue": "7"}}],
    }  # fmt: skip
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode()
    answer = await _ask(receiver, body, content_type="application/json; charset=utf-8")
    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, b"{}", "application/json")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'"text"',
        b'{"resourceSpans": 3}',
        b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"not hex"}]}]}]}',
        b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"startTimeUnixNano":"soon"}]}]}]}',
        b"[" * 100_000,
        b'{"a":' * 20_000,
        b"\xff\xfe",
    ],
)
async def test_bad_json_is_400_in_json(receiver: HttpReceiver, body: bytes) -> None:
    """Broken, misshapen or endless JSON: a Status in JSON, never 500."""
    answer = await _ask(receiver, body, content_type="application/json")
    assert answer.status == 400
    assert json.loads(answer.body)["message"].startswith("body is ")


async def test_websocket_is_closed(receiver: HttpReceiver) -> None:
    """An upgrade is refused by us; left unanswered, the server would say 500."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    await receiver({"type": "websocket", "path": "/v1/traces", "headers": []}, receive, send)
    assert [message["type"] for message in sent] == ["websocket.close"]


@pytest.mark.parametrize(
    "text",
    [
        '{"resourceSpans":[{"resource":"\\ud800"}]}',
        '{"\\ud800":1,"resourceSpans":[{"\\udfff":{}}]}',
        '{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"cut \\ud83d"}]}]}]}',
    ],
)
async def test_half_a_surrogate_pair_in_json_is_no_error(receiver: HttpReceiver, text: str) -> None:
    """JavaScript writes one where it cuts a text inside a character: it is replaced, or ignored with its field."""
    assert (await _ask(receiver, text.encode(), content_type="application/json")).status == 200
