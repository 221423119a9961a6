"""Takes out of a request what must not be stored, before anything is written. Pure, once it is made: no I/O.

Attributes are dropped, or their values hashed, by key; masks then reach every text that is left: attribute values of
resources, scopes, spans, events, links, log records, metrics, data points and exemplars, nested ones too, the bodies of
log records, and the names and status messages of spans and events. Keys that stand inside a text, such as those of a
JSON document in an attribute, are text: masks see them, key patterns do not.

Most spans hold nothing to take out, and their bytes tell: a key or a text stands in them as it is. So bytes are
searched for hints first, those of the request, then those of each span, log record or metric, and only what has one is
read. What is read is written anew without fields that OTLP does not name: what cannot be read cannot be redacted.

The work is bounded by a request's size, whatever stands in it: no text is looked at beyond a limit, no pattern repeats
without one, and a thread gives way between two windows.
"""

from __future__ import annotations

import copy
import fnmatch
import hmac
import re
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any

from sightline_collector.request.masks import Masks
from sightline_collector.request.opaque_types import opaque_types
from sightline_collector.request.own_patterns import load_patterns
from sightline_collector.settings import RedactionSettings
from sightline_store.ingest import Signal

_HASH_CHARS = 16
_REMEMBERED = 8192
_REMEMBERED_CHARS = 128
# Bytes as text that is quick to search: ASCII is what it says, all else one character.
_ASCII = bytes(range(128)) + b"\x7f" * 128
# A whole number from 2**35, as an AnyValue holds it on the wire and that text shows it: 13 digits need more.
_LONG_NUMBER = re.compile("\x18\x7f{5}")


class _Fate(Enum):
    KEEP = "keep"
    HASH = "hash"
    DROP = "drop"


class Redactor:
    """Applies the settings to requests. Any thread may call `redact`."""

    def __init__(self, settings: RedactionSettings) -> None:
        """Read and try the own patterns, if there are any.

        Raises:
            ValueError: the file of own patterns cannot be used.
        """
        own = load_patterns(settings.mask_patterns, settings.window_chars) if settings.mask_patterns else []
        self._masks = Masks(settings.masks, own, settings.window_chars, settings.value_chars)
        self._numbers = Masks({"card"}.intersection(settings.masks))
        self._drop, self._hash = _globs(settings.drop_keys), _globs(settings.hash_keys)
        self._hash_key = settings.hash_key.encode()
        self._hints = _hints((*settings.drop_keys, *settings.hash_keys))
        # Results of earlier look-ups. A thread may lose the entry of another one, but never reads a wrong one.
        self._fates: dict[str, _Fate] = {}
        self._masked: dict[str, str] = {}

    @classmethod
    def from_settings(cls, settings: RedactionSettings) -> Redactor | None:
        """A redactor, None where nothing is to be taken out.

        Raises:
            ValueError: the file of own patterns cannot be used.
        """
        return cls(settings) if settings.is_on else None

    def redact(self, signal: Signal, body: bytes, read: Callable[[], Any]) -> Any | None:
        """Take out of a request what the settings name; None where it holds nothing of that, and was not read.

        The same request gives the same result. What the request does not know, of a later OTLP, is to be left out by
        the caller.

        Args:
            signal: what the request holds.
            body: the export request as protobuf writes it: hints are searched in it, and a number or a length that a
                sender spelled in another way would have none.
            read: gives the same, parsed, before nested values are flattened. It is changed and returned.
        """
        text = body.translate(_ASCII).decode("ascii")
        masks = self._masks.that_may_find(text)
        if not self._has_hint(text, masks):
            return None
        request = read()
        opaque, redact = _TYPES[signal], _ITEMS[signal]
        # The same rules and memory with the masks that this request calls for: the others find nothing in its texts.
        own = copy.copy(self)
        own._masks = masks
        # Beside each item its bytes, in which its hints are searched.
        unread: Any = opaque.request.FromString(body)
        for holder, unread_holder in _pairs(request, unread, opaque.resources):
            own._attributes(holder.resource.attributes)
            for scope, unread_scope in _pairs(holder, unread_holder, opaque.scopes):
                own._attributes(scope.scope.attributes)
                items = getattr(scope, opaque.items)
                for index, item in enumerate(getattr(unread_scope, opaque.items)):
                    if self._has_hint(item.translate(_ASCII).decode("ascii"), masks):
                        redact(own, items[index])
        return request

    def _has_hint(self, text: str, masks: Masks) -> bool:
        """Whether bytes, shown as ASCII, may hold something to take out."""
        if self._hints is None or masks.may_find(text):
            return True
        if self._hints:
            lower = text.lower()
            if any(all(word in lower for word in words) for words in self._hints):
                return True
        return len(self._numbers) > 0 and _LONG_NUMBER.search(text) is not None

    def _span(self, span: Any) -> None:
        self._text(span, "name")
        self._attributes(span.attributes)
        if span.HasField("status"):
            self._text(span.status, "message")
        for event in span.events:
            self._text(event, "name")
            self._attributes(event.attributes)
        for link in span.links:
            self._attributes(link.attributes)

    def _log_record(self, record: Any) -> None:
        self._attributes(record.attributes)
        if record.HasField("body"):
            self._value(record.body, "")

    def _metric(self, metric: Any) -> None:
        self._attributes(metric.metadata)
        kind = metric.WhichOneof("data")
        for point in getattr(metric, kind).data_points if kind else ():
            self._attributes(point.attributes)
            for exemplar in point.exemplars if kind != "summary" else ():
                self._attributes(exemplar.filtered_attributes)

    def _attributes(self, attributes: Any, path: str = "", *, hashed: bool = False) -> None:
        """Redact a list of attributes; `path` leads to those of a nested value and ends with a dot."""
        dropped = []
        for index, attribute in enumerate(attributes):
            key = attribute.key
            fate = self._fate(key, path)
            if fate is _Fate.DROP:
                dropped.append(index)
            else:
                self._value(attribute.value, key if not path else path + key, hashed=hashed or fate is _Fate.HASH)
        for index in reversed(dropped):
            del attributes[index]

    def _fate(self, key: str, path: str) -> _Fate:
        name = path + key
        fate = self._fates.get(name)
        if fate is None:
            names = (name, key) if path else (name,)
            fate = _Fate.KEEP
            if self._drop and any(map(self._drop.fullmatch, names)):
                fate = _Fate.DROP
            elif self._hash and any(map(self._hash.fullmatch, names)):
                fate = _Fate.HASH
            if not path:  # Nested names have no end.
                self._remember(self._fates, name, fate)
        return fate

    def _value(self, value: Any, path: str, *, hashed: bool = False) -> None:
        text = value.string_value
        if text:
            if hashed:
                value.string_value = self._digest(text.encode())
            elif self._masks:
                masked = self._clean(text)
                if masked is not text:
                    value.string_value = masked
            return
        kind = value.WhichOneof("value")
        if kind == "kvlist_value":
            self._attributes(value.kvlist_value.values, f"{path}." if path else "", hashed=hashed)
        elif kind == "array_value":
            for item in value.array_value.values:
                self._value(item, path, hashed=hashed)
        elif kind == "bytes_value":
            self._bytes(value, hashed=hashed)
        elif hashed and kind in {"int_value", "double_value", "bool_value"}:
            plain = getattr(value, kind)
            value.string_value = self._digest(str(plain).lower().encode())
        elif kind == "int_value" and self._numbers:
            text = str(value.int_value)
            masked = self._numbers.apply(text)
            if masked is not text:
                value.string_value = masked

    def _bytes(self, value: Any, *, hashed: bool) -> None:
        content = value.bytes_value
        if hashed and content:
            value.string_value = self._digest(content)
        elif self._masks:
            # Text in another dress: what is no UTF-8 stays as it is.
            text = content.decode("utf-8", "surrogateescape")
            masked = self._masks.apply(text)
            if masked is not text:
                value.bytes_value = masked.encode("utf-8", "surrogateescape")

    def _text(self, message: Any, field: str) -> None:
        text = getattr(message, field)
        if text and self._masks:
            masked = self._clean(text)
            if masked is not text:
                setattr(message, field, masked)

    def _clean(self, text: str) -> str:
        if len(text) > _REMEMBERED_CHARS:
            return self._masks.apply(text)
        masked = self._masked.get(text)
        if masked is None:
            masked = self._masks.apply(text)
            self._remember(self._masked, text, masked)
        return masked

    def _digest(self, content: bytes) -> str:
        return hmac.digest(self._hash_key, content, "sha256").hex()[:_HASH_CHARS]

    @staticmethod
    def _remember(known: dict[str, Any], name: str, answer: object) -> None:
        if len(known) >= _REMEMBERED:
            known.clear()
        if len(name) <= _REMEMBERED_CHARS:
            known[name] = answer


def _pairs(request: Any, unread: Any, field: str) -> Iterable[tuple[Any, Any]]:
    """The messages in a repeated field of two parses of the same bytes."""
    return zip(getattr(request, field), getattr(unread, field), strict=True)


def _globs(patterns: Iterable[str]) -> re.Pattern[str] | None:
    """One expression for all globs, None for none. ASCII letters match in either case, as in `_hints`."""
    expressions = [fnmatch.translate(pattern) for pattern in patterns]
    return re.compile("|".join(expressions), re.ASCII | re.IGNORECASE) if expressions else None


def _hints(globs: Iterable[str]) -> tuple[tuple[str, ...], ...] | None:
    """For each glob, lower-case words that all stand in a request with a key that matches; None where one has none.

    A dotted path may be spread over nested keys, so a word is what stands between dots, before any bracket.
    """
    hints = []
    for glob in globs:
        words = tuple(word for word in re.split(r"[.*?]", glob.partition("[")[0].lower()) if len(word) > 1)
        if not words or not glob.isascii():
            return None
        hints.append(words)
    return tuple(hints)


_ITEMS: dict[str, Callable[[Redactor, Any], None]] = {
    "traces": Redactor._span,
    "logs": Redactor._log_record,
    "metrics": Redactor._metric,
}
_TYPES = opaque_types({"spans", "log_records", "metrics"})
