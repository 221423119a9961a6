"""The capture policy: which content may be written onto spans, how long it may be, and who masks it."""

import dataclasses
import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sightline import faults
from sightline.capture.media import DATA_MARK
from sightline.capture.mode import Capture
from sightline.capture.values import HARD_LIMIT_CHARS, bounded_text, bounded_value


@dataclass(frozen=True, slots=True)
class CapturePolicy:
    """Which content may be written, how long it may be, and who masks it."""

    mode: Capture = Capture.LENGTHS
    """See ``sightline.capture.mode.Capture``."""
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
    limit_as_is: int = dataclasses.field(init=False)
    """Characters up to which a text without media is written as it is; -1 where texts are masked or left out."""

    def __post_init__(self) -> None:
        """Compute once what every call needs."""
        truncated = self.mode is Capture.TRUNCATED
        object.__setattr__(self, "content", truncated or self.mode is Capture.FULL)
        limit_chars = min(self.max_chars, HARD_LIMIT_CHARS) if truncated else HARD_LIMIT_CHARS
        object.__setattr__(self, "limit_chars", limit_chars)
        object.__setattr__(self, "limit_as_is", limit_chars if self.content and self.redact is None else -1)

    def text(self, value: object) -> str | None:
        """Return a value as bounded, redacted text; None when nothing may or can be written.

        Strings come out as they are (cut), everything else as JSON.
        """
        if not self.content:
            return None
        try:
            limit = self.limit_chars
            if type(value) is str:
                if len(value) <= self.limit_as_is and DATA_MARK not in value:
                    return value
                return bounded_text(value, limit, self.redact)
            shrunk = bounded_value(value, [limit], 0, self.redact)
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
            limit_chars = max(
                200, self.limit_chars if self.mode is Capture.TRUNCATED else HARD_LIMIT_CHARS // (len(items) or 1)
            )
            rows = [self._document(item, limit_chars) for item in items]
            return json.dumps(rows, ensure_ascii=False, separators=(",", ":"))
        except Exception as error:
            faults.report("capture documents", error)
            return None

    def _document(self, item: object, limit_chars: int) -> dict[str, object]:
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
                        bounded_text(value, limit_chars, self.redact)
                        if isinstance(value, str)
                        else bounded_value(value, [limit_chars], 0, self.redact)
                    )
        elif self.mode is Capture.LENGTHS and isinstance(content, str):
            row["length"] = len(content)
        return row
