"""Known fields in a wire type that is not theirs. Pure: no I/O.

Protobuf's parser takes such a field for one that it does not know and goes on; ClickHouse's refuses the whole request.
What one parser skips and another refuses, or reads, is not accepted.

Source: https://protobuf.dev/programming-guides/encoding/#structure
"""

from __future__ import annotations

from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet
from opentelemetry.proto.resource.v1 import resource_pb2

from sightline_collector.errors import BadRequest

_REPEATED = type(resource_pb2.Resource().attributes)


def refuse_other_wire_types(message: Message) -> None:
    """Refuse a known field number with a wire type that is not its own, here or in any message inside.

    Raises:
        BadRequest: 400, with the field's number and where it stands.
    """
    numbers = message.DESCRIPTOR.fields_by_number
    unknowns = UnknownFieldSet(message)
    for unknown in (unknowns[index] for index in range(len(unknowns))):
        if unknown.field_number in numbers:
            raise BadRequest(
                400,
                f"field {unknown.field_number} of {message.DESCRIPTOR.name} has wire type {unknown.wire_type}; "
                "OTLP gives it another",
            )
    for field, value in message.ListFields():
        if field.message_type is not None:
            for inner in value if isinstance(value, _REPEATED) else (value,):
                refuse_other_wire_types(inner)
