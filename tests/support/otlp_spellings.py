"""OTLP requests in spellings that protobuf allows and few encoders write, by a seed.

A request is made field by field from OTLP's own descriptors, as bytes and not by protobuf's writer: fields come twice,
out of order, in a longer varint, packed or not, as several pieces of one message, with two members of a oneof, among
fields that nobody knows. Some are damaged afterwards. Whether protobuf reads one is for protobuf to say.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

REQUESTS: dict[str, Any] = {
    "traces": ExportTraceServiceRequest,
    "metrics": ExportMetricsServiceRequest,
    "logs": ExportLogsServiceRequest,
}
_VARINT, _FIXED64, _BYTES, _GROUP, _GROUP_END, _FIXED32 = range(6)
_WIRES = {
    _FIXED64: ("DOUBLE", "FIXED64", "SFIXED64"),
    _FIXED32: ("FLOAT", "FIXED32", "SFIXED32"),
    _BYTES: ("STRING", "BYTES", "MESSAGE"),
}
_WIRE = {getattr(FieldDescriptor, f"TYPE_{kind}"): wire for wire, kinds in _WIRES.items() for kind in kinds}
_ANY_WIRE = (_VARINT, _FIXED64, _BYTES, _GROUP, _FIXED32)
ODDITIES = (
    "doubled", "oneof", "shuffled", "unknown", "foreign", "overlong", "pieces", "zeros", "utf8", "packing", "numbers",
    "nested", "empty",
)  # fmt: skip
_START_NS = 1_780_000_000_123_456_789
_TIMES = (0, 1, _START_NS, _START_NS, _START_NS, _START_NS + 10**9, 2**63 - 1, 2**63, 2**64 - 1)
_VARINTS = (
    0,
    1,
    2,
    127,
    128,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**32,
    2**32 + 5,
    2**35,
    2**63 - 1,
    2**63,
    2**64 - 1,
    2**64 - 7,
)
_DOUBLES = (0.0, -0.0, 1.0, 0.1, -2.5, 1e308, 5e-324, float("inf"), float("-inf"), float("nan"), 2.0**53, 1e21)
_TEXTS = (
    "", "a", "chat", "service.name", "gen_ai.operation.name", "gen_ai.evaluation.result", "sightline.tenant", "rag-api",
    "gen_ai.usage.input_tokens", "é€😀", "\0", "\u2028", '"\\\n', "x" * 127, "x" * 128, "y" * 300, "*\x122\n",
)  # fmt: skip
_NOT_UTF8 = (b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"a\xe2\x82", b"\xf5\x80\x80\x80")
_UNKNOWN = (17, 18, 99, 1999, 2046, 2047, 18999, 2**29 - 1)
# What a request would be without: the other fields of a message are written in half of the cases.
_SELDOM = frozenset({"string_value_strindex", "key_strindex", "entity_refs"})
_ALWAYS = frozenset({
    "resource_spans", "resource_metrics", "resource_logs", "scope_spans", "scope_metrics", "scope_logs", "spans",
    "metrics", "log_records", "data_points", "key", "value", "values",
})  # fmt: skip


class Speller:
    """Writes requests. The same seed gives the same ones."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self._odd: frozenset[str] = frozenset()
        self._rate = 0.0

    def request(self, signal: str) -> bytes:
        """One request; most have a few oddities, in a few places or in many, and one in eight is damaged."""
        chance = self.chance
        self._odd = frozenset(chance.sample(ODDITIES, chance.choice((0, 1, 1, 2, 3))))
        self._rate = chance.choice((0.02, 0.1, 0.3))
        body = self._message(REQUESTS[signal].DESCRIPTOR, 0)
        return self._damaged(body) if chance.random() < 0.125 else body

    def _is(self, oddity: str) -> bool:
        return oddity in self._odd and self.chance.random() < self._rate

    def _message(self, kind: Descriptor | None, depth: int) -> bytes:
        assert kind is not None
        chance = self.chance
        if self._is("empty"):
            return b""
        numbered: list[tuple[int, bytes]] = []

        def add(field: FieldDescriptor) -> None:
            numbered.extend((field.number, spelled) for spelled in self._field(field, depth))

        for oneof in kind.oneofs:
            if not _is_optional(oneof) and (kind.name not in {"NumberDataPoint", "Exemplar"} or chance.random() < 0.8):
                members = [f for f in oneof.fields if f.name not in _SELDOM or chance.random() < 0.05]
                shallow = [f for f in members if f.name not in {"array_value", "kvlist_value"}]
                for _ in range(1 + self._is("oneof") + self._is("oneof")):
                    nests = chance.random() < (0.6 if "nested" in self._odd else 0.12) / (1 + depth / 9)
                    add(chance.choice(members if nests else shallow))
        for field in kind.fields:
            if field.containing_oneof is not None and not _is_optional(field.containing_oneof):
                continue
            if field.is_repeated:
                count = chance.choice((0, 1, 2, 3) if field.name not in _ALWAYS or depth > 8 else (1, 1, 2))
            else:
                count = int(field.name in _ALWAYS or chance.random() < (0.02 if field.name in _SELDOM else 0.5))
                count += self._is("doubled") and chance.choice((1, 1, 2))
            for _ in range(count):
                add(field)
        fields = [spelled for _, spelled in sorted(numbered, key=lambda each: each[0])]
        if self._is("unknown"):
            fields.insert(
                chance.randint(0, len(fields)), self._stranger(chance.choice(_UNKNOWN), chance.choice((0, 1, 2, 3, 5)))
            )
        if self._is("foreign") and chance.random() < 0.3:
            field = chance.choice(kind.fields)
            own = {_wire(field), _BYTES} if field.is_repeated else {_wire(field)}
            wire = chance.choice([wire for wire in _ANY_WIRE if wire not in own])
            fields.insert(chance.randint(0, len(fields)), self._stranger(field.number, wire))
        if self._is("shuffled"):
            chance.shuffle(fields)
        return b"".join(fields)

    def _field(self, field: FieldDescriptor, depth: int) -> list[bytes]:
        """A field as it stands on the wire, one item a tag."""
        chance = self.chance
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            content = self._message(field.message_type, depth + 1) if depth < 130 else b""
            pieces = [content]
            if not field.is_repeated and self._is("pieces"):
                pieces = [self._message(field.message_type, depth + 1), content]
            return [self._tag(field.number, _BYTES) + self._sized(piece) for piece in pieces]
        if field.is_repeated and _wire(field) != _BYTES:
            values = [self._scalar(field) for _ in range(chance.randint(0, 4))]
            if not self._is("packing"):
                return [self._tag(field.number, _BYTES) + self._sized(b"".join(values))] if values else []
            at = chance.randint(0, len(values))
            return [
                *(self._tag(field.number, _wire(field)) + value for value in values[:at]),
                self._tag(field.number, _BYTES) + self._sized(b"".join(values[at:])),
            ]
        value = self._scalar(field)
        if not field.is_repeated and field.containing_oneof is None and not any(value) and not self._is("zeros"):
            return []
        return [self._tag(field.number, _wire(field)) + value]

    def _scalar(self, field: FieldDescriptor) -> bytes:
        chance = self.chance
        kind = field.type
        if self._is("zeros"):
            return {_VARINT: b"\0", _FIXED64: bytes(8), _FIXED32: bytes(4), _BYTES: b"\0"}[_wire(field)]
        if kind == FieldDescriptor.TYPE_STRING:
            return self._sized(chance.choice(_NOT_UTF8) if self._is("utf8") else chance.choice(_TEXTS).encode())
        if kind == FieldDescriptor.TYPE_BYTES:
            size = {"trace_id": 16, "span_id": 8, "parent_span_id": 8}.get(field.name, chance.choice((0, 1, 9, 130)))
            return self._sized(chance.randbytes(size if chance.random() < 0.9 else chance.randint(0, 20)))
        if kind == FieldDescriptor.TYPE_DOUBLE:
            return struct.pack("<d", chance.choice(_DOUBLES))
        if _wire(field) == _FIXED64:
            return chance.choice(_TIMES if "time" in field.name else _VARINTS).to_bytes(8, "little")
        if _wire(field) == _FIXED32:
            return chance.choice(_VARINTS[:8]).to_bytes(4, "little")
        if self._is("numbers") or kind in {FieldDescriptor.TYPE_INT64, FieldDescriptor.TYPE_UINT64}:
            return self._varint(chance.choice(_VARINTS))
        return self._varint(
            chance.choice((0, 1, 1, 2, 3, 5, 2**64 - 1) if kind != FieldDescriptor.TYPE_BOOL else (0, 1, 1))
        )

    def _stranger(self, number: int, wire: int) -> bytes:
        chance = self.chance
        content: Callable[[], bytes] = {
            _VARINT: lambda: self._varint(chance.choice(_VARINTS)),
            _FIXED64: lambda: chance.randbytes(8),
            _FIXED32: lambda: chance.randbytes(4),
            _BYTES: lambda: self._sized(chance.choice((b"", b"\x0a\x01a", b"\x08\x01", chance.randbytes(20)))),
            _GROUP: lambda: (
                (
                    self._stranger(chance.choice((1, 2, 77)), chance.choice((0, 1, 2, 3, 5)))
                    if chance.random() < 0.7
                    else b""
                )
                + self._tag(number, _GROUP_END)
            ),
        }[wire]
        return self._tag(number, wire) + content()

    def _group_content(self) -> bytes:
        chance = self.chance
        return self._stranger(chance.choice((1, 2, 77)), chance.choice(_ANY_WIRE)) if chance.random() < 0.7 else b""

    def _tag(self, number: int, wire: int) -> bytes:
        return self._varint(number << 3 | wire, most=5)

    def _sized(self, content: bytes) -> bytes:
        return self._varint(len(content), most=5) + content

    def _varint(self, number: int, most: int = 10) -> bytes:
        """Sometimes longer than it need be."""
        out = bytearray()
        while number > 127:
            out.append(number & 127 | 128)
            number >>= 7
        out.append(number)
        if self._is("overlong") and len(out) < most:
            out[-1] |= 128
            out += b"\x80" * self.chance.randint(0, most - len(out) - 1) + b"\0"
        return bytes(out)

    def _damaged(self, body: bytes) -> bytes:
        chance = self.chance
        data = bytearray(body)
        for _ in range(chance.choice((1, 1, 2, 4))):
            kind, at = chance.randrange(7), chance.randrange(len(data) + 1)
            if kind <= 1 and data:
                data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
            elif kind == 2:
                data[at : at + 1] = chance.randbytes(1)
            elif kind == 3:
                data += data[at:]
            elif kind == 4:
                data[at:at] = self._varint(chance.choice(_VARINTS))
            elif kind == 5:
                data[at:at] = data[at : at + chance.randint(1, 30)]
            else:
                del data[at : at + chance.randint(1, 12)]
        return bytes(data)


def _is_optional(oneof: Any) -> bool:
    """Whether it only tells the presence of one field (proto3's `optional`)."""
    return bool(oneof.name.startswith("_"))


def _wire(field: FieldDescriptor) -> int:
    return _WIRE.get(field.type, _VARINT)


def varint(number: int) -> bytes:
    """A number as it stands on the wire, in as few bytes as can be."""
    return bytes([number]) if number < 128 else bytes([number & 127 | 128]) + varint(number >> 7)


def message(number: int, *parts: bytes) -> bytes:
    """A field that holds bytes: a text, a message or packed numbers."""
    content = b"".join(parts)
    return varint(number << 3 | _BYTES) + varint(len(content)) + content


def number(number: int, value: int) -> bytes:
    """A field that holds a varint."""
    return varint(number << 3) + varint(value)


def fixed(number: int, value: int) -> bytes:
    """A field of eight bytes."""
    return varint(number << 3 | _FIXED64) + value.to_bytes(8, "little")


def _span(*fields: bytes) -> tuple[str, bytes]:
    own = message(1, b"t" * 16) + message(2, b"s" * 8)
    return "traces", message(1, message(2, message(2, own, *fields)))


def _value(*fields: bytes) -> tuple[str, bytes]:
    return _span(message(9, message(1, b"k"), message(2, *fields)))


def _log(*fields: bytes) -> tuple[str, bytes]:
    return "logs", message(1, message(2, message(2, *fields)))


def _metric(*fields: bytes) -> tuple[str, bytes]:
    return "metrics", message(1, message(2, message(2, message(1, b"m"), *fields)))


_TEXT, _INT = message(1, b"a"), number(3, 7)
_ONE, _TWO = message(9, message(1, b"one"), message(2, _TEXT)), message(9, message(1, b"two"), message(2, _INT))
_SERVICE = message(1, message(1, b"service.name"), message(2, message(1, b"rag-api")))
_HOST = message(1, message(1, b"host.name"), message(2, message(1, b"h")))
KNOWN: dict[str, tuple[str, bytes]] = {
    # Two members of a oneof: the last one holds.
    "value_text_and_number": _value(_TEXT, _INT),
    "value_number_and_text": _value(_INT, _TEXT),
    "value_text_twice": _value(_TEXT, message(1, b"b")),
    "value_array_and_text": _value(message(5, message(1, _INT)), _TEXT),
    "value_text_and_map": _value(_TEXT, message(6, message(1, message(1, b"k"), message(2, _INT)))),
    "value_map_and_text": _value(message(6, message(1, message(1, b"k"), message(2, _INT))), _TEXT),
    "value_array_map_array": _value(message(5, message(1, _INT)), message(6), message(5, message(1, _TEXT))),
    "element_of_two_kinds": _value(message(5, message(1, _TEXT, _INT))),
    "map_value_of_two_kinds": _value(message(6, message(1, message(1, b"k"), message(2, _TEXT, _INT)))),
    "body_of_two_kinds": _log(message(5, _TEXT, _INT)),
    "point_of_two_kinds": _metric(message(5, message(1, fixed(4, 1), fixed(6, 3)))),
    "metric_of_two_kinds": _metric(message(5, message(1, fixed(6, 3))), message(7, message(1, fixed(6, 4)))),
    "metric_gauge_sum_gauge": _metric(
        message(5, message(1, fixed(6, 3))), message(7), message(5, message(1, fixed(6, 5)))
    ),
    "exemplar_of_two_kinds": _metric(message(5, message(1, fixed(6, 3), message(5, fixed(3, 1), fixed(6, 3))))),
    # A message in pieces: they are merged.
    "value_in_two_pieces": _span(message(9, message(1, b"k"), message(2, _TEXT), message(2, _INT))),
    "value_of_a_kind_in_two_pieces": _span(
        message(9, message(1, b"k"), message(2, _TEXT), message(2, message(1, b"b")))
    ),
    "value_and_an_empty_piece": _span(message(9, message(1, b"k"), message(2, _TEXT), message(2))),
    "array_in_two_pieces": _value(message(5, message(1, _INT)), message(5, message(1, _TEXT))),
    "array_in_two_values": _span(
        message(
            9, message(1, b"k"), message(2, message(5, message(1, _INT))), message(2, message(5, message(1, _TEXT)))
        )
    ),
    "status_in_two_pieces": _span(message(15, message(2, b"boom")), message(15, number(3, 2))),
    "status_twice": _span(message(15, message(2, b"boom"), number(3, 1)), message(15, message(2, b"bang"))),
    "resource_in_two_pieces": ("traces", message(1, message(1, _HOST), message(1, _SERVICE), message(2, message(2)))),
    "scope_in_two_pieces": (
        "traces",
        message(1, message(2, message(1, message(1, b"lib")), message(2, b""), message(1, message(2, b"1.2")))),
    ),
    "gauge_in_two_pieces": _metric(message(5, message(1, fixed(6, 3))), message(5, message(1, fixed(6, 4)))),
    "buckets_in_two_pieces": _metric(
        message(10, message(1, message(8, number(1, 4), message(2, b"\1")), message(8, message(2, b"\2\3"))))
    ),
    # A field twice: the last one holds.
    "name_twice": _span(message(5, b"first"), message(5, b"second")),
    "name_and_an_empty_one": _span(message(5, b"first"), message(5)),
    "start_twice": _span(fixed(7, 1), fixed(7, 2)),
    "kind_twice": _span(number(6, 1), number(6, 3)),
    "kind_and_zero": _span(number(6, 3), number(6, 0)),
    "trace_id_twice": _span(message(1, b"u" * 16)),
    "key_twice": _span(message(9, message(1, b"k"), message(1, b"l"), message(2, _TEXT))),
    "sum_twice": _metric(message(9, message(1, fixed(4, 1), fixed(5, 2), fixed(5, 3)))),
    # A longer varint.
    "long_varint": _value(b"\x18\x87\x80\x00"),
    "long_varint_of_ten_bytes": _value(b"\x18" + b"\x87" + b"\x80" * 8 + b"\x00"),
    "long_tag": _value(b"\x98\x80\x00\x07"),
    "long_tag_of_five_bytes": _value(b"\x98\x80\x80\x80\x00\x07"),
    "long_length": _value(b"\x0a\x81\x00a"),
    "long_length_of_five_bytes": _value(b"\x0a\x81\x80\x80\x80\x00a"),
    # A number that is wider than its field.
    "bool_of_two": _value(number(2, 2)),
    "bool_of_64_bits": _value(number(2, 2**63)),
    "kind_of_33_bits": _span(number(6, 2**32 + 3)),
    "kind_below_zero_in_five_bytes": _span(number(6, 2**32 - 1)),
    "kind_below_zero": _span(number(6, 2**64 - 1)),
    "kind_of_the_future": _span(number(6, 77)),
    "flags_of_33_bits": _metric(message(5, message(1, fixed(6, 3), number(8, 2**32 + 5)))),
    "severity_of_33_bits": _log(number(2, 2**32 + 9)),
    "offset_of_33_bits": _metric(message(10, message(1, message(8, number(1, 2**32 + 4), message(2, b"\1"))))),
    # Repeated numbers, packed and not.
    "counts_one_by_one": _metric(message(9, message(1, fixed(6, 1), fixed(6, 2), fixed(7, 0)))),
    "counts_in_two_packs": _metric(
        message(9, message(1, message(6, (1).to_bytes(8, "little")), message(6, (2).to_bytes(8, "little"))))
    ),
    "counts_packed_and_not": _metric(message(9, message(1, message(6, (1).to_bytes(8, "little")), fixed(6, 2)))),
    "varints_one_by_one": _metric(message(10, message(1, message(8, number(2, 1), number(2, 300))))),
    "varints_packed_long": _metric(message(10, message(1, message(8, message(2, b"\x81\x00\x02"))))),
    # Fields that OTLP does not name.
    "unknown_group": _span(b"\xa3\x06\xa4\x06"),
    "unknown_group_with_fields": _span(b"\xa3\x06" + _TEXT + fixed(2, 1) + b"\x0b\x0c" + b"\xa4\x06"),
    "unknown_bytes": _span(message(100, b"\x0a\x01a")),
    "unknown_long_varint": _span(b"\xa0\x06\x81\x80\x00"),
    "unknown_of_the_highest_number": _span(number(2**29 - 1, 1)),
    "unknown_in_a_value": _value(_TEXT, number(100, 1)),
    "verdict_of_a_sender": ("traces", _span(_ONE)[1] + message(2046, message(3, b"forged"), number(5, 1))),
    "verdict_that_is_none": ("traces", _span(_ONE)[1] + number(2046, 1)),
    # Order, and nothing at all.
    "fields_backwards": _span(_TWO, _ONE, message(5, b"name"), message(3, b"state")),
    "value_before_key": _span(message(9, message(2, _TEXT), message(1, b"k"))),
    "attributes_apart": _span(_ONE, message(5, b"name"), _TWO),
    "scope_between_spans": (
        "traces",
        message(
            1, message(2, message(2, message(5, b"a")), message(1, message(1, b"lib")), message(2, message(5, b"b")))
        ),
    ),
    "resource_after_spans": ("traces", message(1, message(2, message(2, _ONE)), message(1, _SERVICE))),
    "zeros": _span(number(6, 0), fixed(7, 0), message(5), message(15)),
    "empty_value": _value(),
    "empty_text": _value(message(1)),
    "empty_array": _value(message(5)),
    "empty_element": _value(message(5, message(1))),
    "attribute_without_value": _span(message(9, message(1, b"k"))),
    "empty_attribute": _span(message(9)),
    "empty_span": ("traces", message(1, message(2, message(2)))),
    "zero_bytes": _value(message(1, b"a\0b")),
}
"""Spellings by name, as signal and body, that were found to be read in two ways, and their harmless neighbours."""
