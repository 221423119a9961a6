"""Values of user code -> bounded, redacted text and attributes.

Promise: never raises, never walks more than the limit, never calls user code (no ``repr``, ``str`` or
``model_dump`` of foreign objects). Large values are cut before they are serialised; images, audio and other bytes
become references (``sightline.capture.media``). What comes out for anything but a string is valid JSON.
"""

import dataclasses
import datetime
import decimal
import enum
import json
import math
import pathlib
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sightline.capture import media
from sightline.capture.media import DATA_MARK

HARD_LIMIT_CHARS = 262_144
"""No captured attribute is longer than about this, whatever the setting: a collector must be able to take it."""
MASK_MARGIN_CHARS = 256
"""How far beyond the cut a text is masked: longer than anything that the ready-made masks look for in one piece."""
_MAX_DEPTH = 8
_REFERENCE_CHARS = 120  # about what a reference to an image takes
_SHORTEST_NUMBER_TO_MASK = 10**7
_LONGEST_DATA_HEAD_CHARS = 300
_MEDIA_LIMIT_CHARS = 2 * 4 * 1024 * 1024
_PLAIN = (datetime.date, datetime.time, datetime.timedelta, uuid.UUID, pathlib.PurePath, decimal.Decimal)


def cut(text: str, limit_chars: int) -> str:
    """Return the text, cut at a limit; a cut one ends with how many characters are missing."""
    if len(text) <= limit_chars:
        return text
    return f"{text[:limit_chars]}… [{len(text) - limit_chars} more]"


def bounded_text(value: str, limit: int, redact: Callable[[str], str] | None) -> str:
    """Return a text without media in it, masked and cut.

    It is masked a little beyond the cut, so that a secret across the cut is masked too.
    """
    length = len(value)
    visible = value if length <= limit + MASK_MARGIN_CHARS else value[: limit + MASK_MARGIN_CHARS]
    mark_position = visible.find(DATA_MARK)
    if mark_position >= 0:
        start = value.rfind("data:", max(mark_position - _LONGEST_DATA_HEAD_CHARS, 0), mark_position)
        if start >= 0:
            # Only the media's own size decides what is read here, and that is bounded by what may be digested.
            visible = media.without_data_urls(value[: start + limit + _MEDIA_LIMIT_CHARS])
            length = len(visible) if len(value) <= start + limit + _MEDIA_LIMIT_CHARS else length
            visible = visible[: limit + MASK_MARGIN_CHARS]
    if redact is not None:
        masked = redact(visible)
        if length <= limit:
            return masked
        visible = masked
    if length <= limit:
        return visible
    return f"{visible[:limit]}… [{length - limit} more]"


def length_of(value: object) -> int | None:
    """Return characters, bytes or items of a value, None where it has no length."""
    try:
        return len(value) if isinstance(value, (str, bytes, bytearray, Sequence, Mapping, set, frozenset)) else None
    except Exception:
        return None


def call_input(args: tuple[object, ...], kwargs: Mapping[str, object], names: Sequence[str]) -> object:
    """Return what a call was given, as one value: the only argument itself, else a mapping by name.

    ``self`` and ``cls`` are left out.
    """
    named: dict[str, object] = {}
    for index, value in enumerate(args):
        name = names[index] if index < len(names) else f"arg{index}"
        if not (index == 0 and name in ("self", "cls")):
            named[name] = value
    named.update(kwargs)
    return next(iter(named.values())) if len(named) == 1 else named


def attribute(value: Any) -> str | bool | int | float | Sequence[str] | Sequence[int] | Sequence[float] | None:
    """Return a value in a form that a span attribute may have; None when it should be left out."""
    if value is None or isinstance(value, (str, bool, int)):
        return value.value if isinstance(value, enum.Enum) else value
    if isinstance(value, float):
        return None if math.isnan(value) else value
    if isinstance(value, (list, tuple)) and value:
        for kind in (str, bool, int, float):
            if all(type(item) is kind for item in value):
                return list(value)
    return json.dumps(bounded_value(value, [HARD_LIMIT_CHARS], 0, None), ensure_ascii=False, separators=(",", ":"))


def bounded_value(  # noqa: PLR0911, PLR0912
    value: Any, budget: list[int], depth: int, redact: Callable[[str], str] | None
) -> Any:
    """Return a value as what JSON can hold, at most about ``budget[0]`` characters of it, masked.

    Args:
        value: anything.
        budget: one number, the characters that may still be written; reduced by what this value takes.
        depth: how many containers it lies in.
        redact: masks each text.
    """
    budget[0] -= 4
    if isinstance(value, str):
        if value.startswith("data:") and (reference := media.of_data_url(value)) is not None:
            budget[0] -= _REFERENCE_CHARS
            return reference
        text = bounded_text(value, max(budget[0], 0), redact)
        budget[0] -= len(text)
        return str(text)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, enum.Enum):
        return bounded_value(value.value, budget, depth, redact)
    if isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            return "<large int>"
        if redact is not None and abs(value) >= _SHORTEST_NUMBER_TO_MASK:
            digits = str(int(value))
            masked = redact(digits)
            return masked if masked != digits else int(value)
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(float(value))
    if isinstance(value, (bytes, bytearray, memoryview)):
        budget[0] -= _REFERENCE_CHARS
        return media.of_bytes(value)
    if isinstance(value, _PLAIN):
        return str(value)
    if depth >= _MAX_DEPTH:
        return f"<{type(value).__name__}>"
    if isinstance(value, Mapping):
        return _bounded_mapping(value, budget, depth, redact)
    if isinstance(value, (list, tuple, set, frozenset)):
        items: list[Any] = []
        for item in value:
            if budget[0] <= 0:
                items.append(f"… [{len(value) - len(items)} more]")
                break
            items.append(bounded_value(item, budget, depth + 1, redact))
        return items
    if hasattr(type(value), "shape") and hasattr(type(value), "dtype"):
        return f"<{type(value).__name__} {value.shape} {value.dtype}>"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name, None) for field in dataclasses.fields(value)}
        return _bounded_mapping(fields, budget, depth, redact)
    if hasattr(type(value), "model_fields"):
        return _bounded_mapping(value.__dict__, budget, depth, redact)
    picture = media.of_picture(value)
    if picture is not None:
        return picture
    return f"<{type(value).__module__}.{type(value).__qualname__}>"


def _bounded_mapping(
    value: Mapping[Any, Any], budget: list[int], depth: int, redact: Callable[[str], str] | None
) -> dict[str, Any]:
    result: dict[str, Any] = {}
    encoded = media.content_key(value)
    for key, item in value.items():
        if budget[0] <= 0:
            result["…"] = f"{len(value) - len(result)} more"
            break
        name = key if isinstance(key, str) else str(key) if isinstance(key, (int, float, bool)) else type(key).__name__
        name = cut(name, 256)
        if redact is not None:
            name = redact(name)
        budget[0] -= len(name)
        if key == encoded and encoded is not None:
            budget[0] -= _REFERENCE_CHARS
            result[name] = media.of_base64(item, media.mime_beside(value))
        else:
            result[name] = bounded_value(item, budget, depth + 1, redact)
    return result
