"""Checks an OTLP request and writes it as ClickHouse reads it like protobuf. Pure: no I/O.

The wire format has many spellings of one request, and protobuf and ClickHouse read some of them differently: a singular
field that comes twice, two members of a oneof, a field of one wire type where another was declared, numbers that are
cut to their field's width. So what is spooled has one spelling, that in which protobuf writes the request, without
fields that OTLP does not name. Most encoders write it themselves: such a body goes on as it came.

Whether it does is told by a walk over its bytes, where the extension for that was built (`spelling`). Then its items
are not parsed: counts and the tenant's stamp need its resources alone.

Any other request is parsed once, with a type whose AnyValue lacks the nested kinds; counts, redaction and the tenant's
stamp work on that parse, and what it writes is spooled. That nothing is lost by it shows in a second look that keeps
nothing (`RequestTypes.is_flat`). Only if something is lost is the request read in full and walked in Python, where a
nested value becomes the JSON text that the official exporter would store: that of Go's encoding/json without HTML
escapes, keys sorted, the last of equal keys kept, '' where a NaN or an infinity is inside. Nesting ends where
protobuf's own limit of 100 messages does; deeper requests are refused.

Source: https://protobuf.dev/programming-guides/encoding/ and
https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/common/v1/common.proto and
https://github.com/open-telemetry/opentelemetry-collector/blob/main/pdata/pcommon/value.go (AsString)
"""

from __future__ import annotations

import base64
import itertools
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from google.protobuf.message import DecodeError, Message

from sightline import semconv
from sightline_collector.errors import BadRequest
from sightline_collector.request.flat_types import request_types
from sightline_collector.request.opaque_types import opaque_types
from sightline_collector.request.redaction import Redactor
from sightline_collector.request.spelling import Spelling
from sightline_collector.request.stamp import stamp_tenant
from sightline_collector.request.wire_types import refuse_other_wire_types
from sightline_store.ingest import Signal

_KIND_ARRAY, _KIND_KVLIST = "array_value", "kvlist_value"
_NESTED = frozenset({_KIND_ARRAY, _KIND_KVLIST})
_MAX_SEARCHED = 128
_MAX_NAME_CHARS = 200


@dataclass(frozen=True)
class Checked:
    """A request that is well-formed: the bytes to spool and how many spans, data points or log records they hold."""

    payload: bytes
    items: int
    services: Mapping[str, int] = field(default_factory=dict, compare=False)
    """Items by service.name, '' where a resource has none."""


def check(signal: Signal, body: bytes, *, tenant: str = "", redactor: Redactor | None = None) -> Checked:
    """Check a request and make of it what is spooled. The same arguments always have the same outcome.

    Args:
        signal: what the path said.
        body: a serialized Export{Trace,Metrics,Logs}ServiceRequest, decompressed.
        tenant: whom everything in it belongs to; '' leaves open what the sender wrote.
        redactor: takes out what must not be stored.

    Raises:
        BadRequest: 400, the bytes are not such a request, or a field of it has another wire type than OTLP's.
    """
    read = _read_own if _SPELLINGS[signal].is_own(body) else _read
    request, payload = read(signal, body, redactor)
    by_service = _services(signal, request)
    if tenant:
        stamp_tenant(signal, request, tenant)
    if tenant or payload is None:
        payload = request.SerializeToString()
    if payload == body:
        payload = body  # One of the two is enough.
    return Checked(payload, sum(by_service.values()), by_service)


def _read_own(signal: Signal, body: bytes, redactor: Redactor | None) -> tuple[Any, bytes | None]:
    """A flat request in protobuf's own spelling, redacted, and its bytes, None where they are to be written anew.

    Its items are read only where something may have to be taken out of them.
    """
    if redactor is not None:
        redacted = redactor.redact(signal, body, lambda: _TYPES[signal].flat.FromString(body))
        if redacted is not None:
            return redacted, None
    return _OPAQUE[signal].request.FromString(body), body


def _read(signal: Signal, body: bytes, redactor: Redactor | None) -> tuple[Any, bytes | None]:
    """Any request, redacted and then flattened, and its bytes, None where they are to be written."""
    types = _TYPES[signal]
    request = _parse(types.flat, body)
    is_nested = False
    if not types.is_flat(body):
        size = request.ByteSize()
        request.DiscardUnknownFields()
        if request.ByteSize() != size:
            request = _known(types.full, body)
            is_nested = True
    payload: bytes | None = None
    if redactor is not None:
        payload = request.SerializeToString()
        if redactor.redact(signal, payload, lambda: request) is not None:
            payload = None
    if is_nested:
        _flatten(signal, request)
        payload = None
    return request, payload


def rewritten(signal: Signal, payload: bytes) -> bytes:
    """A spooled request of an earlier version as it would be spooled now; as it is where it would be refused."""
    try:
        return check(signal, payload).payload
    except BadRequest:
        return payload


def _parse(kind: type[Message], body: bytes) -> Any:
    try:
        return kind.FromString(body)
    except DecodeError as exc:
        raise BadRequest(400, f"body is not a protobuf {kind.DESCRIPTOR.name}: {exc}") from None


def _known(kind: type[Message], body: bytes) -> Any:
    """The request without unknown fields.

    Raises:
        BadRequest: 400, one of them has a number that OTLP gives to a field of another wire type.
    """
    request = _parse(kind, body)
    size = request.ByteSize()
    request.DiscardUnknownFields()
    if request.ByteSize() != size:
        refuse_other_wire_types(kind.FromString(body))
    return request


def services(signal: Signal, payload: bytes) -> dict[str, int]:
    """Items by service.name of a request that was checked; what is inside an item is not looked at."""
    return _services(signal, _OPAQUE[signal].request.FromString(payload))


def _services(signal: Signal, request: Any) -> dict[str, int]:
    counts: dict[str, int] = {}
    for resource, items in _by_resource(signal, request):
        if items:
            name = _service_name(resource)
            counts[name] = counts.get(name, 0) + items
    return counts


def _by_resource(signal: Signal, request: Any) -> Iterator[tuple[Any, int]]:
    if signal is Signal.TRACES:
        for holder in request.resource_spans:
            yield holder.resource, sum(len(scope.spans) for scope in holder.scope_spans)
    elif signal is Signal.LOGS:
        for holder in request.resource_logs:
            yield holder.resource, sum(len(scope.log_records) for scope in holder.scope_logs)
    else:
        for holder in request.resource_metrics:
            yield (
                holder.resource,
                sum(len(_points(metric)) for scope in holder.scope_metrics for metric in scope.metrics),
            )


def _service_name(resource: Any) -> str:
    # SDKs write it first or among the first; a resource with thousands of attributes is not searched to its end.
    for attribute in itertools.islice(resource.attributes, _MAX_SEARCHED):
        if attribute.key == semconv.SERVICE_NAME:
            return str(attribute.value.string_value[:_MAX_NAME_CHARS])
    return ""


def _metrics(request: Any) -> Iterator[Any]:
    for resource in request.resource_metrics:
        for scope in resource.scope_metrics:
            yield from scope.metrics


def _points(metric: Any) -> Any:
    kind = metric.WhichOneof("data")
    return getattr(metric, kind).data_points if kind else ()


def _flatten(signal: Signal, request: Any) -> None:
    """Replace nested values by their JSON text."""
    for attributes in _ATTRIBUTES[signal](request):
        for attribute in attributes:
            _flatten_value(attribute.value)
    if signal is Signal.LOGS:
        for resource in request.resource_logs:
            for scope in resource.scope_logs:
                for record in scope.log_records:
                    _flatten_value(record.body)


def _attributes_of_traces(request: Any) -> Iterator[Any]:
    for resource in request.resource_spans:
        yield resource.resource.attributes
        for scope in resource.scope_spans:
            yield scope.scope.attributes
            for span in scope.spans:
                yield span.attributes
                for event in span.events:
                    yield event.attributes
                for link in span.links:
                    yield link.attributes


def _attributes_of_metrics(request: Any) -> Iterator[Any]:
    for resource in request.resource_metrics:
        yield resource.resource.attributes
        for scope in resource.scope_metrics:
            yield scope.scope.attributes
    for metric in _metrics(request):
        for point in _points(metric):
            yield point.attributes
            if metric.WhichOneof("data") != "summary":
                for exemplar in point.exemplars:
                    yield exemplar.filtered_attributes


def _attributes_of_logs(request: Any) -> Iterator[Any]:
    for resource in request.resource_logs:
        yield resource.resource.attributes
        for scope in resource.scope_logs:
            yield scope.scope.attributes
            for record in scope.log_records:
                yield record.attributes


_ATTRIBUTES = {
    Signal.TRACES: _attributes_of_traces,
    Signal.METRICS: _attributes_of_metrics,
    Signal.LOGS: _attributes_of_logs,
}


def _flatten_value(value: Any) -> None:
    kind = value.WhichOneof("value")
    if kind == _KIND_KVLIST or (
        kind == _KIND_ARRAY and any(item.WhichOneof("value") in _NESTED for item in value.array_value.values)
    ):
        try:
            value.string_value = _json(value)
        except _NotJson:
            value.string_value = ""


class _NotJson(Exception):
    """A NaN or an infinity is inside: Go's encoder gives up on the whole value."""


def _json(value: Any) -> str:
    """An OTLP value as the JSON text of Go's encoding/json, HTML escapes off."""
    kind = value.WhichOneof("value")
    if kind is None:
        return "null"
    if kind == _KIND_ARRAY:
        return f"[{','.join(_json(item) for item in value.array_value.values)}]"
    if kind == _KIND_KVLIST:
        last = {item.key: item.value for item in value.kvlist_value.values}
        # By code point, which is the order of the bytes of UTF-8 too.
        return f"{{{','.join(f'{_json_string(key)}:{_json(last[key])}' for key in sorted(last))}}}"
    # A kind of a later OTLP has no value that this version knows.
    return _SCALARS[kind](getattr(value, kind)) if kind in _SCALARS else "null"


def _json_string(text: str) -> str:
    quoted = json.dumps(text, ensure_ascii=False)
    return quoted.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _json_number(number: float) -> str:
    """The shortest digits that read back; an exponent only below 1e-6 and from 1e21 on."""
    if not math.isfinite(number):
        raise _NotJson
    if number == 0 or 1e-6 <= abs(number) < 1e21:
        text = format(Decimal(repr(number)), "f")
        return text.removesuffix(".0")
    digits, _, exponent = repr(number).partition("e")
    return f"{digits}e{int(exponent):+d}"


_SCALARS: dict[str, Callable[[Any], str]] = {
    "string_value": _json_string,
    "bool_value": lambda value: "true" if value else "false",
    "int_value": str,
    "double_value": _json_number,
    "bytes_value": lambda value: f'"{base64.b64encode(value).decode()}"' if value else "null",
}


_TYPES = request_types()
_SPELLINGS = {signal: Spelling(types.flat) for signal, types in _TYPES.items()}
_OPAQUE = opaque_types({"spans", "log_records", "data_points"})
