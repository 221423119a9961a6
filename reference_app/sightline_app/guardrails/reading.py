"""The words of a text as a model may understand them, whatever the text looks like.

Unicode tricks (zero width and combining signs, look-alike letters, full width and other styles, letters with spaces or
points between them, digits as letters) are undone for each word; what is wrapped (base64, hex, per cent signs, HTML
entities, rot13, backwards, Unicode tags) is unwrapped and read as a text of its own. Only words of the vocabulary are
kept, with their places. Everything is linear in the length of the text.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import html
import itertools
import re
import urllib.parse
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from sightline_app.guardrails import vocabulary

_INSIDE = r"\u0300-\u036f\u200b-\u200f\u2060-\u2064\ufeff\u00ad\u180e\ufe00-\ufe0f\u0900-\u097f\u064b-\u065f"
_WORD = re.compile(
    rf"(?:[^\W_]|[{_INSIDE}\u2460-\u24ff\U0001f130-\U0001f189]|['\u2019](?=[^\W_])|[@$](?=[^\W_]))+",
)
_BREAK = re.compile(r"[.?!;:](?:\s|$)|\n\s*\n|[\u3002\uff01\uff1f]")
_BREAK_WORDS = 3
"""Words that the end of a sentence counts for, where the distance of two words is limited."""

_MIN_SPACED = 5
_MAX_DEPTH = 2
_BASE64 = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{16,}+={0,2}")
_HEX = re.compile(r"(?<![0-9A-Za-z])(?:0x)?(?:[0-9A-Fa-f]{2}[ ,:]?){10,}+(?![0-9A-Za-z])|(?:\\x[0-9A-Fa-f]{2}){8,}+")
_PERCENT = re.compile(r"(?:[^\s%]{0,64}+%[0-9A-Fa-f]{2}){2,}+[^\s%]{0,64}+")
_ENTITIES = re.compile(r"(?:&#(?:[0-9]{1,7}|x[0-9A-Fa-f]{1,6});[ ]?){4,}+")
_TAGS = re.compile("[\U000e0020-\U000e007e]{4,}+")
_NOT_HEX = re.compile(r"0x|\\x|[ ,:]")
_HIDDEN_WORDS = 2


@dataclass(slots=True)
class Reading:
    """The known words of one text, or of one that was wrapped in it."""

    how: str = "plain"
    """``plain``, or how it was wrapped."""
    outer: tuple[int, int] | None = None
    """Place of the wrapped text in the text that was given."""
    concepts: list[int] = field(default_factory=list)
    """Concepts of each known word."""
    places: list[int] = field(default_factory=list)
    """Number of each known word among all words; the end of a sentence counts as some words."""
    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)

    def span(self, first: int, last: int) -> tuple[int, int]:
        """Return the place of known words in the text that was given."""
        return self.outer or (self.starts[first], self.ends[last])


def read(text: str) -> list[Reading]:
    """Return all readings of a text, the plain one first."""
    readings = [_read_plain(text)]
    pending: list[tuple[str, tuple[int, int] | None, int]] = [(text, None, 0)]
    while pending:
        outer_text, outer, depth = pending.pop()
        for inner, span, how in _unwrapped(outer_text):
            place = outer or span
            reading = _read_plain(inner)
            reading.how, reading.outer = how, place
            readings.append(reading)
            if depth + 1 < _MAX_DEPTH:
                pending.append((inner, place, depth + 1))
    return readings


def _read_plain(text: str) -> Reading:
    reading = Reading()
    place = end = 0
    singles: list[re.Match[str]] = []
    for match in _WORD.finditer(text):
        raw = match[0]
        start = match.start()
        if start - end > 1 and _BREAK.search(text, end, start + 1):
            place += _BREAK_WORDS
        end = match.end()
        if len(raw) == 1 and raw not in "0123456789":
            singles.append(match)
        elif singles:
            place = _add_spaced(reading, text, singles, place)
            singles = []
        pieces = vocabulary.concepts(raw)
        for number, found in enumerate(pieces):
            _add(reading, found, place + number, start, end)
        place += max(1, len(pieces))
    if singles:
        _add_spaced(reading, text, singles, place)
    return reading


def _add(reading: Reading, found: int, place: int, start: int, end: int) -> None:
    reading.concepts.append(found)
    reading.places.append(place)
    reading.starts.append(start)
    reading.ends.append(end)


def _add_spaced(reading: Reading, text: str, singles: list[re.Match[str]], place: int) -> int:
    """Read letters with the same sign between them as words (``i g n o r e``); return the next place."""
    if len(singles) < _MIN_SPACED:
        return place
    gaps = [text[left.end() : right.start()] for left, right in itertools.pairwise(singles)]
    usual = Counter(gaps).most_common(1)[0][0]
    letters: list[list[str]] = [[]]
    for single, gap in zip(singles, [usual, *gaps], strict=True):
        if gap != usual:
            letters.append([])
        letters[-1].append(single[0])
    words = ["".join(each) for each in letters]
    for word in words:
        joined = word if len(words) > 1 else word.ljust(vocabulary._MIN_JOINED_CHARS)
        pieces = vocabulary.concepts(joined.strip()) or vocabulary.concepts(joined)
        for number, found in enumerate(pieces):
            _add(reading, found, place + number, singles[0].start(), singles[-1].end())
        place += max(1, len(pieces))
    return place


def _unwrapped(text: str) -> Iterator[tuple[str, tuple[int, int], str]]:
    """Yield what is wrapped in a text, with its place and how."""
    for match in _BASE64.finditer(text):
        if (inner := _from_base64(match[0])) is not None:
            yield inner, match.span(), "base64"
    for match in _HEX.finditer(text):
        if (inner := _from_hex(match[0])) is not None:
            yield inner, match.span(), "hex"
    if "%" in text:
        for match in _PERCENT.finditer(text):
            yield urllib.parse.unquote(match[0], errors="replace"), match.span(), "percent"
    if "&#" in text:
        for match in _ENTITIES.finditer(text):
            yield html.unescape(match[0]), match.span(), "entities"
    for match in _TAGS.finditer(text):
        yield "".join(chr(ord(sign) - 0xE0000) for sign in match[0]), match.span(), "tags"
    found = [vocabulary.hidden(match[0]) for match in _WORD.finditer(text)]
    backwards, turned = sum(each[0] for each in found), sum(each[1] for each in found)
    if backwards >= _HIDDEN_WORDS:
        yield text[::-1], (0, len(text)), "reversed"
    if turned >= _HIDDEN_WORDS:
        yield codecs.decode(text, "rot13"), (0, len(text)), "rot13"


def _from_base64(text: str) -> str | None:
    bare = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        raw = base64.b64decode(bare + "=" * (-len(bare) % 4))
    except (binascii.Error, ValueError):
        return None
    return _as_text(raw)


def _from_hex(text: str) -> str | None:
    try:
        raw = bytes.fromhex(_NOT_HEX.sub("", text))
    except ValueError:
        return None
    return _as_text(raw)


def _as_text(raw: bytes) -> str | None:
    """Return bytes as text where they are text: UTF-8, nearly no control characters."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return None
    strange = sum(not (sign.isprintable() or sign in "\n\t\r") for sign in text)
    return text if strange * 20 <= len(text) else None
