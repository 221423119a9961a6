"""Whether a request is flat and in protobuf's own spelling already, by one walk over its bytes in C.

What the walk says yes to comes out of parsing and writing as it went in, so neither is needed to know what is spooled.
It makes no message and allocates nothing, and other threads run meanwhile. Where it says no, which proves nothing, or
where the extension was not built, protobuf decides (`otlp.check`), with the same outcome.

The walk knows OTLP by a table that is made of the descriptors of the flat types. What the table cannot tell, such as a
kind of field that OTLP does not use today, is left out of it: requests that hold it get a no.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, Final, cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

_FIELDS = 32  # and the numbers below as in spelling.h
_MESSAGE, _STRING, _BYTES, _FIXED32, _FIXED64, _VARINT64, _UINT32, _INT32, _BOOL = range(1, 10)
_REPEATED, _PRESENCE = 1, 2
_KINDS: Final = {
    FieldDescriptor.TYPE_MESSAGE: _MESSAGE,
    FieldDescriptor.TYPE_STRING: _STRING,
    FieldDescriptor.TYPE_BYTES: _BYTES,
    FieldDescriptor.TYPE_FIXED32: _FIXED32,
    FieldDescriptor.TYPE_SFIXED32: _FIXED32,
    FieldDescriptor.TYPE_FLOAT: _FIXED32,
    FieldDescriptor.TYPE_FIXED64: _FIXED64,
    FieldDescriptor.TYPE_SFIXED64: _FIXED64,
    FieldDescriptor.TYPE_DOUBLE: _FIXED64,
    FieldDescriptor.TYPE_UINT64: _VARINT64,
    FieldDescriptor.TYPE_INT64: _VARINT64,
    FieldDescriptor.TYPE_SINT64: _VARINT64,
    FieldDescriptor.TYPE_UINT32: _UINT32,
    FieldDescriptor.TYPE_SINT32: _UINT32,
    FieldDescriptor.TYPE_INT32: _INT32,
    FieldDescriptor.TYPE_ENUM: _INT32,
    FieldDescriptor.TYPE_BOOL: _BOOL,
}


def _extension() -> Callable[[bytes, bytes], bool] | None:
    try:
        module: Any = importlib.import_module("_sightline_spelling")
    except ImportError:
        return None
    return cast(Callable[[bytes, bytes], bool], module.is_own)


_is_own = _extension()


def is_compiled() -> bool:
    """Whether the extension is there."""
    return _is_own is not None


class Spelling:
    """Protobuf's own spelling of one type of message."""

    def __init__(self, kind: type[Message]) -> None:
        self.table = _table(cast(Descriptor, kind.DESCRIPTOR))
        """What the extension goes by: a row for each type of message, with four bytes for each field number."""

    def is_own(self, body: bytes) -> bool:
        """Whether parsing and writing give back the same bytes, and no field in them is unknown.

        False also where that could not be told.
        """
        return _is_own is not None and _is_own(self.table, body)


def _table(descriptor: Descriptor) -> bytes:
    rows = [descriptor]
    table = bytearray()
    for message in rows:  # which grows
        cells = [bytes(4)] * _FIELDS
        oneofs = list(message.oneofs)
        for field in message.fields:
            kind = _KINDS.get(field.type)
            if kind is None or field.number >= _FIELDS:
                continue
            if field.message_type is not None and field.message_type not in rows:
                rows.append(field.message_type)
            row = 0 if field.message_type is None else rows.index(field.message_type)
            oneof = 0 if field.containing_oneof is None else 1 + oneofs.index(field.containing_oneof)
            flags = _REPEATED * field.is_repeated | _PRESENCE * field.has_presence
            cells[field.number] = bytes((kind, flags, oneof, row))
        table += b"".join(cells)
    return bytes(table)
