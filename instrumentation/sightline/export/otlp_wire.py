"""OTLP's common messages as protobuf bytes, written directly: attributes, resource and scope.

Building the protocol's own message objects costs the exporting thread several times what writing their bytes does,
and importing them takes as long as the SDK itself. A test holds what is written here equal to what the SDK's encoder
writes, with two exceptions where that encoder fails: an integer beyond 64 bits becomes text, as the specification
says, and an unpaired surrogate becomes U+FFFD.

Sources: https://protobuf.dev/programming-guides/encoding/ ,
https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/common/v1/common.proto and
https://opentelemetry.io/docs/specs/otel/common/attribute-type-mapping/
"""

from collections.abc import Iterator, Mapping, Sequence
from struct import Struct
from typing import Any, Final

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

_CACHE_SIZE: Final = 4096
_CACHED_TEXT_MAX_CHARS: Final = 64
_MIN_INT: Final = -(1 << 63)
_MAX_INT: Final = (1 << 63) - 1
_pack_double: Final = Struct("<d").pack
_ONE_BYTE_VARINTS: Final = tuple(bytes((number,)) for number in range(0x80))


def varint(number: int) -> bytes:
    """Return a number from 0 to 2^64 - 1, seven bits a byte, the lowest first."""
    if number < 0x80:
        return _ONE_BYTE_VARINTS[number]
    if number < 0x4000:
        return bytes((number & 0x7F | 0x80, number >> 7))
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def delimited(tag: bytes, content: bytes) -> bytes:
    """Return a field that begins with its length: text, bytes or a message."""
    return tag + varint(len(content)) + content


def text(tag: bytes, value: str | None) -> bytes:
    """Return a text field; nothing for an empty one, which is what its absence means."""
    return delimited(tag, utf8(value)) if value else b""


def utf8(value: str) -> bytes:
    """Return a text as protobuf wants it: pairs of surrogates joined, a half of one replaced."""
    try:
        return value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


class AttributeWriter:
    """Writes attributes; repeated attributes are encoded once and cached. Used by one thread at a time.

    Args:
        tag: of the field that the attributes are in.
    """

    def __init__(self, tag: bytes) -> None:
        self._tag = tag
        self._field_cache: dict[tuple[str, str | bool], bytes] = {}  # no numbers: 1, 1.0 and True are one key
        self._text_heads: dict[tuple[str, int], bytes] = {}  # the bytes before a text of that many bytes
        self._int_heads: dict[tuple[str, int], bytes] = {}
        self._double_heads: dict[str, bytes] = {}

    def write(self, attributes: Mapping[str, Any]) -> bytes:
        """Return the attributes.

        Raises:
            TypeError: OTLP cannot hold a value of this type.
        """
        parts: list[bytes] = []
        add = parts.append
        for key, value in attributes.items():
            kind = type(value)
            if kind is bool or (kind is str and len(value) <= _CACHED_TEXT_MAX_CHARS):
                add(
                    self._field_cache.get((key, value))
                    or self._cached(self._field_cache, (key, value), self._field(key, value))
                )
            elif kind is str:
                content = utf8(value)
                size = len(content)
                add(self._text_heads.get((key, size)) or self._text_head(key, size))
                add(content)
            elif kind is int and 0 <= value <= _MAX_INT:
                content = varint(value)
                size = len(content)
                add(self._int_heads.get((key, size)) or self._int_head(key, size))
                add(content)
            elif kind is float:
                add(self._double_heads.get(key) or self._double_head(key))
                add(_pack_double(value))
            else:
                add(self._field(key, value))
        return b"".join(parts)

    def _field(self, key: str, value: Any) -> bytes:
        return delimited(self._tag, key_value(key, any_value(value)))

    def _text_head(self, key: str, size: int) -> bytes:
        return self._cached(self._text_heads, (key, size), self._head(key, b"\x0a" + varint(size), size))

    def _int_head(self, key: str, size: int) -> bytes:
        return self._cached(self._int_heads, (key, size), self._head(key, b"\x18", size))

    def _double_head(self, key: str) -> bytes:
        return self._cached(self._double_heads, key, self._head(key, b"\x21", 8))

    def _head(self, key: str, value_start: bytes, size: int) -> bytes:
        """Return an attribute but for the last ``size`` bytes, which follow ``begin``."""
        field = delimited(b"\x0a", utf8(key)) + b"\x12" + varint(len(value_start) + size)
        return self._tag + varint(len(field) + len(value_start) + size) + field + value_start

    @staticmethod
    def _cached(cache: dict[Any, bytes], key: Any, encoded: bytes) -> bytes:
        if len(cache) >= _CACHE_SIZE:
            cache.clear()
        cache[key] = encoded
        return encoded


def key_value(key: str, value: bytes) -> bytes:
    """Return a ``KeyValue`` of a written ``AnyValue``."""
    return delimited(b"\x0a", utf8(key)) + delimited(b"\x12", value)


def any_value(value: Any) -> bytes:  # noqa: PLR0911  one return a kind reads best
    """Return an ``AnyValue``.

    Raises:
        TypeError: OTLP cannot hold a value of this type.
    """
    if value is None:
        return b""
    if isinstance(value, bool):
        return b"\x10\x01" if value else b"\x10\x00"
    if isinstance(value, str):
        return delimited(b"\x0a", utf8(value))
    if isinstance(value, int):
        if _MIN_INT <= value <= _MAX_INT:
            return b"\x18" + varint(value & 0xFFFF_FFFF_FFFF_FFFF)
        return delimited(b"\x0a", str(int(value)).encode())
    if isinstance(value, float):
        return b"\x21" + _pack_double(value)
    if isinstance(value, bytes):
        return delimited(b"\x3a", value)
    if isinstance(value, Sequence):
        return delimited(b"\x2a", b"".join([delimited(b"\x0a", any_value(item)) for item in value]))
    if isinstance(value, Mapping):
        pairs = [delimited(b"\x0a", key_value(str(key), any_value(item))) for key, item in value.items()]
        return delimited(b"\x32", b"".join(pairs))
    raise TypeError(f"an attribute cannot be a {type(value).__name__}")


def resource_message(resource: Resource) -> bytes:
    """Return a ``Resource``."""
    return AttributeWriter(b"\x0a").write(resource.attributes)


def scope_message(scope: InstrumentationScope | None) -> bytes:
    """Return an ``InstrumentationScope``."""
    if scope is None:
        return b""
    attributes = AttributeWriter(b"\x1a").write(scope.attributes or {})
    return text(b"\x0a", scope.name) + text(b"\x12", scope.version) + attributes


def request(resource: Resource, scope: InstrumentationScope, items: list[bytes]) -> bytes:
    """Return an export request of one resource and one scope; logs and metrics have the same frame.

    Args:
        resource: what the items are about.
        scope: the instrumentation scope that made them.
        items: written log records or metrics.
    """
    encoded_items = b"".join([delimited(b"\x12", item) for item in items])
    encoded_scope = delimited(b"\x0a", scope_message(scope)) + encoded_items + text(b"\x1a", scope.schema_url)
    encoded_resource = delimited(b"\x0a", resource_message(resource)) + delimited(b"\x12", encoded_scope)
    return delimited(b"\x0a", encoded_resource + text(b"\x1a", resource.schema_url))


def rejected_items(response: bytes) -> int:
    """Return how many items a receiver reports as rejected, 0 for a response that cannot be read.

    Args:
        response: an Export*ServiceResponse; ``partial_success`` is its field 1, and the count is field 1 of that.
    """
    try:
        partials = [value for number, value in _fields(response) if number == 1 and isinstance(value, bytes)]
        counts = [
            value
            for partial in partials
            for number, value in _fields(partial)
            if number == 1 and isinstance(value, int)
        ]
    except (IndexError, ValueError):
        return 0
    return max([0, *counts[-1:]])


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    position = 0
    while position < len(message):
        tag, position = _read_varint(message, position)
        kind = tag & 7
        if kind == 0:
            value, position = _read_varint(message, position)
            yield tag >> 3, value if value <= _MAX_INT else value - (1 << 64)
            continue
        if kind == 2:
            size, position = _read_varint(message, position)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ValueError(kind)
        if position + size > len(message):
            raise ValueError(size)
        yield tag >> 3, message[position : position + size]
        position += size


def _read_varint(message: bytes, position: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = message[position]
        position += 1
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return number, position
        if shift > 63:
            raise ValueError(shift)
