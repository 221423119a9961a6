"""OTLP requests that are damaged on purpose, as Protobuf, JSON, in encodings and as hardly HTTP, by a seed."""

from __future__ import annotations

import gzip
import json
import random
import zlib
from collections.abc import Callable
from typing import Any

import zstandard
from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from otlp_values import fill

SIGNALS = ("traces", "metrics", "logs")
_PROTOBUF, _JSON = "application/x-protobuf", "application/json"
_ATTRIBUTES = {"s": "text", "i": 7, "d": 0.5, "b": True, "raw": b"\x00\xff", "deep": {"k": ["inner", {"x": None}]}}
_HUGE = [0, -1, 2**31, 2**32, 2**53, 2**63, 2**64 - 1, -(2**63), 10**40]
_WORDS: list[Any] = [None, True, "", "NaN", "-Infinity", "0x7f", "é\ud800", "\0", 1e308, 1e-320, [], {}, [[]], *_HUGE]


def _attributes(target: Any) -> None:
    for key, value in _ATTRIBUTES.items():
        fill(target.add(key=key).value, value)


def _traces() -> Any:
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    _attributes(resource.resource.attributes)
    scope = resource.scope_spans.add()
    scope.scope.name = "fuzz"
    for index in range(3):
        span = scope.spans.add(trace_id=bytes([index]) * 16, span_id=bytes([index]) * 8, name=f"span {index}", kind=2)
        span.start_time_unix_nano, span.end_time_unix_nano = 1_764_000_000 * 10**9, 1_764_000_001 * 10**9
        _attributes(span.attributes)
        _attributes(span.events.add(name="event", time_unix_nano=1_764_000_000 * 10**9).attributes)
        span.links.add(trace_id=b"l" * 16, span_id=b"l" * 8)
        span.status.code = 2
    return request


def _metrics() -> Any:
    request = ExportMetricsServiceRequest()
    resource = request.resource_metrics.add()
    _attributes(resource.resource.attributes)
    metrics = resource.scope_metrics.add().metrics
    point: Any
    for name in ("gauge", "sum", "histogram", "exponential_histogram", "summary"):
        metric = metrics.add(name=name, unit="1")
        point = getattr(metric, name).data_points.add(time_unix_nano=1_764_000_000 * 10**9)
        _attributes(point.attributes)
        if name in {"gauge", "sum"}:
            point.as_int = 3
            point.exemplars.add(as_double=0.5, span_id=b"s" * 8)
        else:
            point.count, point.sum = 4, 9.5
        if name == "histogram":
            point.bucket_counts.extend([1, 3])
            point.explicit_bounds.append(2.0)
        if name == "exponential_histogram":
            point.positive.bucket_counts.extend([1, 2])
        if name == "summary":
            point.quantile_values.add(quantile=0.5, value=2)
    return request


def _logs() -> Any:
    request = ExportLogsServiceRequest()
    resource = request.resource_logs.add()
    _attributes(resource.resource.attributes)
    for index in range(3):
        log = resource.scope_logs.add().log_records.add(time_unix_nano=1_764_000_000 * 10**9, severity_number=9)
        log.body.string_value = f"line {index}"
        log.trace_id, log.span_id, log.event_name = b"t" * 16, b"s" * 8, "event"
        _attributes(log.attributes)
    return request


def _json_of(request: Any) -> Any:
    """OTLP/JSON: as protobuf's, but with hexadecimal ids."""

    def hexadecimal(node: Any) -> Any:
        if isinstance(node, dict):
            ids = {"traceId": 32, "spanId": 16}
            return {key: "ab" * (ids[key] // 2) if key in ids else hexadecimal(value) for key, value in node.items()}
        return [hexadecimal(item) for item in node] if isinstance(node, list) else node

    return hexadecimal(json_format.MessageToDict(request, use_integers_for_enums=True))


_MADE = {"traces": _traces(), "metrics": _metrics(), "logs": _logs()}
_VALID = {signal: request.SerializeToString() for signal, request in _MADE.items()}
_DOCUMENTS = {signal: json.dumps(_json_of(request)) for signal, request in _MADE.items()}


class Mutator:
    """Damages valid requests. The same seed gives the same ones."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)

    def http(self) -> tuple[str, str, bytes, dict[str, str]]:
        """Method, path, body and headers of one request."""
        chance = self._chance
        signal = chance.choice(SIGNALS)
        is_json = chance.random() < 0.4
        body = self.json(signal) if is_json else self.protobuf(signal)
        method, path = "POST", f"/v1/{signal}"
        headers = {"Content-Type": _JSON if is_json else _PROTOBUF}
        if chance.random() < 0.25:
            body, headers["Content-Encoding"] = self._encoded(body)
        if chance.random() < 0.15:
            odd = chance.randrange(7)
            if odd == 0:
                method = chance.choice(["GET", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "BREW"])
            elif odd == 1:
                path = chance.choice(
                    ["/", "/v1/profiles", "/v1/traces/", "/v1/%74races", "/v1/traces?a=%ff", "//v1", "*"]
                )
            elif odd == 2:
                headers["Content-Type"] = chance.choice(
                    [
                        "",
                        "text/plain",
                        "application/json; charset=utf-16",
                        "application/x-protobuf;;=",
                        "\xff",
                        ";",
                        "a" * 5000,
                    ]
                )
            elif odd == 3:
                headers["Content-Encoding"] = chance.choice(
                    ["br", "gzip, gzip", "", "\xe9", "x" * 3000, "GZIP", "deflate"]
                )
            elif odd == 4:
                headers["Content-Type"] = _PROTOBUF if is_json else _JSON
            elif odd == 5:
                headers[chance.choice(["Origin", "Host", "Authorization", "x-api-key"])] = chance.choice(
                    [
                        "http://[::1",
                        "\xff",
                        "null",
                        "[",
                        "http://evil.example",
                        "Bearer \xe9",
                        " ",
                        "a:b:c",
                        "http://127.0.0.1",
                    ]
                )
            else:
                headers |= {f"x-{index}": "y" * 100 for index in range(chance.choice([1, 50, 150]))}
        return method, path, body, headers

    def protobuf(self, signal: str) -> bytes:
        """Damaged Protobuf; sometimes none at all, sometimes nothing is damaged."""
        chance = self._chance
        data = bytearray(_VALID[signal])
        for _ in range(chance.choice([0, 1, 1, 1, 2, 4])):
            kind, at = chance.randrange(9), chance.randrange(len(data) + 1)
            if kind == 0 and data:
                for _ in range(chance.randint(1, 8)):
                    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
            elif kind == 1:
                del data[at:]
            elif kind == 2:
                other = _VALID[chance.choice(SIGNALS)]
                start = chance.randrange(len(other))
                data[at:at] = other[start : start + chance.randint(1, 200)]
            elif kind == 3:
                data[at:at] = b"\xff" * chance.randint(1, 11)
            elif kind == 4:
                data[at : at + 1] = _varint(chance.choice([2**20, 2**31 - 1, 2**32, 2**63, 2**64 - 1]))
            elif kind == 5:
                data += _nested(chance.choice([3, 30, 90, 110, 2000]), signal)
            elif kind == 6:
                data += _varint(chance.choice([1, 15, 2047, 18999, 2**29 - 1]) << 3 | chance.randrange(8)) + b"\x01" * 9
            elif kind == 7:
                data = data * chance.randint(2, 20)
            else:
                del data[at : at + chance.randint(1, 30)]
        return bytes(data)

    def json(self, signal: str) -> bytes:
        """Damaged JSON, in its text or in its values."""
        chance = self._chance
        if chance.random() < 0.5:
            document = json.loads(_DOCUMENTS[signal])
            for _ in range(chance.choice([0, 1, 1, 3, 10])):
                self._mutate(document)
            text = json.dumps(document, allow_nan=True, ensure_ascii=chance.random() < 0.5)
            return text.encode("utf-8", "surrogatepass")
        data = bytearray(_DOCUMENTS[signal].encode())
        kind, at = chance.randrange(6), chance.randrange(len(data))
        if kind == 0:
            for _ in range(chance.randint(1, 8)):
                data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        elif kind == 1:
            del data[at:]
        elif kind == 2:
            depth = chance.choice([50, 150, 900, 20_000])
            data[at:at] = b"[" * depth if chance.random() < 0.5 else b'{"a":' * depth
        elif kind == 3:
            data = bytearray(b"9" * chance.choice([20, 400, 5000, 100_000]))
        elif kind == 4:
            data = bytearray(chance.choice([b"", b"null", b"[]", b'"x"', b"\xef\xbb\xbf{}", b"\xff\xfe{\0}\0", b"NaN"]))
        else:
            start = chance.randrange(len(data))
            data[at:at] = data[start : start + 300]
        return bytes(data)

    def _mutate(self, node: Any) -> None:
        """Walk to a random place and put something else there."""
        chance = self._chance
        while True:
            keys: list[Any] = list(node) if isinstance(node, dict) else list(range(len(node)))
            if not keys:
                return
            key = chance.choice(keys)
            if isinstance(node[key], dict | list) and node[key] and chance.random() < 0.85:
                node = node[key]
                continue
            kind = chance.randrange(4)
            if kind == 0 and isinstance(node, dict):
                node[chance.choice(["unknown", "", "traceId", "span_id", "value", "é"])] = chance.choice(_WORDS)
            elif kind == 1:
                del node[key]
            elif kind == 2:
                deep: Any = "end"
                for _ in range(chance.choice([5, 60, 150, 300])):
                    deep = {"arrayValue": {"values": [deep]}} if isinstance(deep, dict) else {"stringValue": deep}
                node[key] = deep
            else:
                node[key] = chance.choice(_WORDS)
            return

    def _encoded(self, body: bytes) -> tuple[bytes, str]:
        chance = self._chance
        name = chance.choice(["gzip", "zstd", "deflate"])
        packed = bytearray({"gzip": gzip.compress, "zstd": zstandard.compress, "deflate": zlib.compress}[name](body))
        kind = chance.randrange(6)
        if kind == 0:
            packed[chance.randrange(len(packed))] ^= 1 << chance.randrange(8)
        elif kind == 1:
            del packed[chance.randrange(len(packed)) :]
        elif kind == 2:
            packed += chance.choice([bytes(packed), b"trailing", bytes(100)])
        elif kind == 3:
            packed = bytearray(body)
        elif kind == 4 and chance.random() < 0.1:
            size = 80 * 2**20  # more than a request may be
            packed = bytearray({"gzip": _gzip_bomb, "zstd": _zstd_bomb, "deflate": _deflate_bomb}[name](size))
        return bytes(packed), name

    def raw(self) -> bytes:
        """Bytes that are hardly HTTP."""
        chance = self._chance
        body = _VALID["traces"]
        head = f"POST /v1/traces HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {_PROTOBUF}\r\n".encode()
        choices: list[Callable[[], bytes]] = [
            lambda: chance.randbytes(chance.randint(1, 500)),
            lambda: head + f"Content-Length: {chance.choice([-1, 'x', 10**30, '1_0', '+5'])}\r\n\r\n".encode() + body,
            lambda: head + f"Content-Length: {len(body)}\r\n\r\n".encode() + body[: chance.randrange(len(body))],
            lambda: (
                head + b"Transfer-Encoding: chunked\r\n\r\n" + chance.choice([b"zz\r\n", b"fffffffff\r\n", b"-1\r\n"])
            ),
            lambda: head + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab",
            lambda: head + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            lambda: head + b"X: " + b"a" * chance.choice([1000, 100_000]) + b"\r\n\r\n",
            lambda: head + b"Expect: 100-continue\r\nContent-Length: 10\r\n\r\n",
            lambda: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + chance.randbytes(50),
            lambda: head.replace(b"HTTP/1.1", chance.choice([b"HTTP/9.9", b"HTTP/1.0", b"HTTP", b""])) + b"\r\n",
            lambda: (
                head.replace(b"/v1/traces", chance.choice([b"/\xff\xfe", b"http://[::1/v1", b"/" + b"a" * 70_000]))
                + b"\r\n"
            ),
            lambda: (
                b"GET /v1/traces HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\nHost: 127.0.0.1\r\n\r\n"
            ),
        ]
        return chance.choice(choices)()


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def _nested(depth: int, signal: str) -> bytes:
    """A resource whose attribute nests arrays `depth` deep."""
    value = b"\x0a\x03end"
    for _ in range(depth):
        value = b"\x2a" + _varint(len(value) + 1 + len(_varint(len(value)))) + b"\x0a" + _varint(len(value)) + value
    attribute = b"\x0a\x01k\x12" + _varint(len(value)) + value
    resource = b"\x0a" + _varint(len(attribute)) + attribute
    holder = b"\x0a" + _varint(len(resource)) + resource
    if signal == "traces":
        holder += b"\x12\x02\x12\x00"
    return b"\x0a" + _varint(len(holder)) + holder


def _gzip_bomb(size: int) -> bytes:
    return gzip.compress(bytes(size), 6)


def _deflate_bomb(size: int) -> bytes:
    return zlib.compress(bytes(size), 6)


def _zstd_bomb(size: int) -> bytes:
    return zstandard.compress(bytes(size), 3)
