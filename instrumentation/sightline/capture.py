"""Arguments and results -> bounded, redacted text.

Promise: never raises, never walks more than the limit, never calls user code (no ``repr``, ``str`` or
``model_dump`` of foreign objects). Large values are cut before they are serialised; images, audio and other bytes
become references (``sightline.media``). What comes out for anything but a string is valid JSON.
"""

import dataclasses
import datetime
import decimal
import enum
import json
import math
import pathlib
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sightline import faults, media
from sightline.media import DATA_MARK
from sightline.settings import Capture

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


@dataclass(frozen=True, slots=True)
class CapturePolicy:
    """What may be written of content, how long, and who masks it."""

    mode: Capture = Capture.LENGTHS
    """See ``sightline.settings.Capture``."""
    max_chars: int = 4096
    """Characters of one text when ``mode`` is truncated."""
    redact: Callable[[str], str] | None = None
    """Masks a text before it is written; an error in it drops the text. See ``sightline.masks``."""
    query_sketch: bool = True
    """Whether the sketch of a query's embedding may be written (not with ``none``). See ``sightline.sketch``."""
    content: bool = dataclasses.field(init=False)
    """Whether text may be written at all."""
    limit_chars: int = dataclasses.field(init=False)
    """Characters that one attribute may have."""

    def __post_init__(self) -> None:
        """Work out once what every call asks for."""
        truncated = self.mode is Capture.TRUNCATED
        object.__setattr__(self, "content", truncated or self.mode is Capture.FULL)
        object.__setattr__(
            self, "limit_chars", min(self.max_chars, HARD_LIMIT_CHARS) if truncated else HARD_LIMIT_CHARS
        )

    def text(self, value: object) -> str | None:
        """Return a value as bounded, redacted text; None when nothing may or can be written.

        Strings come out as they are (cut), everything else as JSON.
        """
        if not self.content:
            return None
        try:
            limit = self.limit_chars
            if type(value) is str:
                if self.redact is None and len(value) <= limit and DATA_MARK not in value:
                    return value
                return _text(value, limit, self.redact)
            shrunk = _shrink(value, [limit], 0, self.redact)
            return json.dumps(shrunk, ensure_ascii=False, separators=(",", ":"))
        except Exception as error:
            faults.report("capture", error)
            return None

    def documents(self, documents: Iterable[object]) -> str | None:
        """Return retrieved documents as the JSON list of ``gen_ai.retrieval.documents``.

        Each document is a mapping or an object with ``id``, ``score`` and, if it has them, ``content`` and
        ``title``. Ids and scores are always written; a score that is missing or NaN becomes null; content
        and title follow the mode (``lengths`` writes the content's length).
        """
        try:
            items = list(documents)
            each = max(
                200, self.limit_chars if self.mode is Capture.TRUNCATED else HARD_LIMIT_CHARS // (len(items) or 1)
            )
            rows = [self._document(item, each) for item in items]
            return json.dumps(rows, ensure_ascii=False, separators=(",", ":"))
        except Exception as error:
            faults.report("capture documents", error)
            return None

    def _document(self, item: object, limit: int) -> dict[str, object]:
        def read(name: str) -> Any:
            return item.get(name) if isinstance(item, Mapping) else getattr(item, name, None)

        score = read("score")
        row: dict[str, object] = {"id": str(read("id")), "score": None}
        if score is not None and not math.isnan(float(score)):
            row["score"] = float(score)
        content = read("content")
        if self.content:
            for name, value in (("title", read("title")), ("content", content)):
                if value is not None:
                    row[name] = (
                        _text(value, limit, self.redact)
                        if isinstance(value, str)
                        else _shrink(value, [limit], 0, self.redact)
                    )
        elif self.mode is Capture.LENGTHS and isinstance(content, str):
            row["length"] = len(content)
        return row


def cut(text: str, limit_chars: int) -> str:
    """Return the text, cut at a limit; a cut one ends with how many characters are missing."""
    if len(text) <= limit_chars:
        return text
    return f"{text[:limit_chars]}… [{len(text) - limit_chars} more]"


def _text(value: str, limit: int, redact: Callable[[str], str] | None) -> str:
    """Return a text without media in it, masked and cut.

    It is masked a little beyond the cut, so that nothing half of which is beyond it is left standing.
    """
    length = len(value)
    seen = value if length <= limit + MASK_MARGIN_CHARS else value[: limit + MASK_MARGIN_CHARS]
    mark = seen.find(DATA_MARK)
    if mark >= 0:
        start = value.rfind("data:", max(mark - _LONGEST_DATA_HEAD_CHARS, 0), mark)
        if start >= 0:
            # Only the media's own size decides what is read here, and that is bounded by what may be digested.
            seen = media.without_data_urls(value[: start + limit + _MEDIA_LIMIT_CHARS])
            length = len(seen) if len(value) <= start + limit + _MEDIA_LIMIT_CHARS else length
            seen = seen[: limit + MASK_MARGIN_CHARS]
    if redact is not None:
        masked = redact(seen)
        if length <= limit:
            return masked
        seen = masked
    if length <= limit:
        return seen
    return f"{seen[:limit]}… [{length - limit} more]"


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
    return json.dumps(_shrink(value, [HARD_LIMIT_CHARS], 0, None), ensure_ascii=False, separators=(",", ":"))


def _shrink(value: Any, budget: list[int], depth: int, redact: Callable[[str], str] | None) -> Any:  # noqa: PLR0911, PLR0912
    budget[0] -= 4
    if isinstance(value, str):
        if value.startswith("data:") and (found := media.of_data_url(value)) is not None:
            budget[0] -= _REFERENCE_CHARS
            return found
        text = _text(value, max(budget[0], 0), redact)
        budget[0] -= len(text)
        return str(text)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, enum.Enum):
        return _shrink(value.value, budget, depth, redact)
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
        return _shrink_mapping(value, budget, depth, redact)
    if isinstance(value, (list, tuple, set, frozenset)):
        items: list[Any] = []
        for item in value:
            if budget[0] <= 0:
                items.append(f"… [{len(value) - len(items)} more]")
                break
            items.append(_shrink(item, budget, depth + 1, redact))
        return items
    if hasattr(type(value), "shape") and hasattr(type(value), "dtype"):
        return f"<{type(value).__name__} {value.shape} {value.dtype}>"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name, None) for field in dataclasses.fields(value)}
        return _shrink_mapping(fields, budget, depth, redact)
    if hasattr(type(value), "model_fields"):
        return _shrink_mapping(value.__dict__, budget, depth, redact)
    picture = media.of_picture(value)
    if picture is not None:
        return picture
    return f"<{type(value).__module__}.{type(value).__qualname__}>"


def _shrink_mapping(
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
            result[name] = _shrink(item, budget, depth + 1, redact)
    return result
