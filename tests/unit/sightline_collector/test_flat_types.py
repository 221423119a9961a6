"""Unknown fields are seen wherever they stand, and seen only where they are."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from whole_requests import whole_requests

from sightline_collector.errors import BadRequest
from sightline_collector.request import otlp
from sightline_collector.request.flat_types import request_types
from sightline_store.ingest import Signal

_TYPES = request_types()
_UNKNOWN = b"\xa8\x06\x07"  # field 101, which OTLP does not use


def _messages(message: Message) -> Iterator[Message]:
    """A message and all inside it."""
    yield message
    for field, value in message.ListFields():
        if field.message_type is not None:
            for inner in value if field.is_repeated else (value,):
                yield from _messages(inner)


_FILLED = list(whole_requests())
_EACH = pytest.mark.parametrize(("signal", "request_"), _FILLED, ids=[signal for signal, _ in _FILLED])


@_EACH
def test_request_of_known_fields_goes_on_as_it_came(signal: Signal, request_: Message) -> None:
    """Every field that OTLP has, nested values left out, is known to the types."""
    body = request_.SerializeToString()
    assert _TYPES[signal].is_flat(body)
    assert otlp.check(signal, body).payload is body


@_EACH
def test_unknown_field_in_any_message_is_seen_and_left_out(signal: Signal, request_: Message) -> None:
    """Also where it stands at the end of its message, so that protobuf writes it in the same place again."""
    body = request_.SerializeToString()
    for index, _ in enumerate(_messages(request_)):
        changed = type(request_).FromString(body)
        message = list(_messages(changed))[index]
        message.MergeFromString(_UNKNOWN)
        with_unknown = changed.SerializeToString()
        assert len(with_unknown) > len(body)
        assert not _TYPES[signal].is_flat(with_unknown), message.DESCRIPTOR.name
        assert otlp.check(signal, with_unknown).payload == body, message.DESCRIPTOR.name


@_EACH
def test_known_field_in_another_wire_type_is_refused_in_any_message(signal: Signal, request_: Message) -> None:
    """Each field of each message, spelled as a fixed32 behind the others: none has that wire type but a few."""
    tried = set[str]()
    for index, message in enumerate(_messages(request_)):
        for field in message.DESCRIPTOR.fields:
            if field.full_name in tried or field.type == FieldDescriptor.TYPE_FIXED32:
                continue
            tried.add(field.full_name)
            changed = type(request_).FromString(request_.SerializeToString())
            list(_messages(changed))[index].MergeFromString(_tag(field.number, 5) + b"\1\0\0\0")
            with pytest.raises(BadRequest, match="OTLP gives it another"):
                otlp.check(signal, changed.SerializeToString())
    assert len(tried) > 20


def _tag(number: int, wire_type: int) -> bytes:
    key = number << 3 | wire_type
    return bytes([key]) if key < 128 else bytes([key & 127 | 128, key >> 7])
