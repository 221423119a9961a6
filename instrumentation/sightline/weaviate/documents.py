"""Found objects of a Weaviate search as ``gen_ai.retrieval.documents``. No I/O, no import of the client.

Each row is made as text at once, without a dictionary and a JSON encoder between: this runs on the caller's thread,
once for each document.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from json.encoder import encode_basestring as _quoted
from math import isfinite
from typing import Any, Final, NamedTuple

from sightline.capture import HARD_LIMIT_CHARS, CapturePolicy, cut
from sightline.settings import Capture

FUSION: Final = "fusion"
BM25: Final = "bm25"
RERANK: Final = "rerank"
ONE_MINUS_DISTANCE: Final = "one_minus_distance"

MAX_DOCUMENTS: Final = 1000
"""Documents that are written at most; ``db.response.returned_rows`` still counts all."""

_CONTENT_NAMES: Final = ("text", "content", "page_content", "body", "chunk", "passage")
_TITLE_NAMES: Final = ("title", "name", "heading")


@dataclass(frozen=True, slots=True)
class CollectionNotes:
    """What a user has told about a collection (``sightline.weaviate.describe``)."""

    attributes: Mapping[str, str]
    """Index and embedding version, ready for a span."""
    content: str | None = None
    """Property that holds a document's text."""
    title: str | None = None
    """Property that holds a document's title."""


class Relevance(NamedTuple):
    """What the server said about one found object; None where it said nothing."""

    score: float | None = None
    distance: float | None = None
    certainty: float | None = None
    rerank_score: float | None = None


Said = tuple[float | None, float | None, float | None, float | None]
"""A ``Relevance``, or a plain tuple in its place: making a named one for each document takes longer than reading it."""
Row = tuple[str, float | None, str]
"""One found document: id, score (higher is better in each kind; None where the server said nothing), JSON object."""


def documents(
    objects: Iterable[Any],
    relevances: Sequence[Said],
    kind: str,
    policy: CapturePolicy,
    notes: CollectionNotes | None = None,
) -> list[Row]:
    """Return found objects as rows, in rank order.

    Args:
        objects: the client's objects.
        relevances: what the server said about each, in order; read from the objects when it has another length.
        kind: which number is the score.
        policy: decides about title and content.
        notes: which properties hold them; the usual names are tried otherwise.
    """
    items = list(objects)
    shown = items[:MAX_DOCUMENTS]
    if len(relevances) != len(items):
        relevances = [_relevance(item) for item in shown]
    each = max(200, min(policy.limit_chars, HARD_LIMIT_CHARS // (len(shown) or 1)))
    writer = _Rows(kind, policy, notes, each)
    return [writer.row(item, relevance) for item, relevance in zip(shown, relevances, strict=False)]


def as_json(rows: Iterable[Row]) -> str:
    """Return rows as the text of an attribute."""
    return f"[{','.join([text for _, _, text in rows])}]"


class _Rows:
    """Writes the rows of one search."""

    __slots__ = ("_content", "_kind", "_limit_chars", "_none", "_policy", "_title")

    def __init__(self, kind: str, policy: CapturePolicy, notes: CollectionNotes | None, limit_chars: int) -> None:
        self._kind = kind
        self._policy = policy
        self._none = policy.mode is Capture.NONE
        self._limit_chars = limit_chars
        self._content: Sequence[str] = (notes.content,) if notes and notes.content else _CONTENT_NAMES
        self._title: Sequence[str] = (notes.title,) if notes and notes.title else _TITLE_NAMES

    def row(self, item: Any, said: Said) -> Row:
        name = str(getattr(item, "uuid", None))
        first, distance, certainty, _ = said
        score = _score(said, self._kind)
        text = f'{{"id":{_quoted(name)},"score":{_number(score)}'
        if distance is not None:
            text += f',"distance":{_number(distance)}'
        if certainty is not None:
            text += f',"certainty":{_number(certainty)}'
        if first is not None and self._kind == RERANK:
            text += f',"first_score":{_number(first)}'
        if not self._none:
            properties = getattr(item, "properties", None)
            if type(properties) is dict or isinstance(properties, Mapping):
                text += self._texts(item, properties)
        return name, score, f"{text}}}"

    def _texts(self, item: Any, properties: Mapping[str, Any]) -> str:
        content = _property(properties, self._content)
        policy = self._policy
        if not policy.content:
            return "" if content is None else f',"length":{len(content)}'
        explained = getattr(getattr(item, "metadata", None), "explain_score", None)
        told = ""
        for key, value, limit in (
            ("title", _property(properties, self._title), self._limit_chars),
            ("content", content, self._limit_chars),
            ("explain", explained if isinstance(explained, str) and explained else None, 500),
        ):
            shown = None if value is None else policy.text(value)
            if shown is not None:
                told += f',"{key}":{_quoted(cut(shown, limit))}'
        return told


def _property(properties: Mapping[str, Any], names: Sequence[str]) -> str | None:
    for name in names:
        value = properties.get(name)
        if isinstance(value, str):
            return value
    return None


def _relevance(item: Any) -> Relevance:
    said = getattr(item, "metadata", None)
    numbers = [getattr(said, name, None) for name in ("score", "distance", "certainty", "rerank_score")]
    return Relevance(*[number if isinstance(number, (int, float)) else None for number in numbers])


def _score(said: Said, kind: str) -> float | None:
    score, distance, certainty, reranked = said
    if kind == ONE_MINUS_DISTANCE:
        if distance is not None:
            return 1 - distance
        return None if certainty is None else 1 - 2 * (1 - certainty)
    return reranked if kind == RERANK else score


def _number(number: float | None) -> str:
    """Return a number of the wire as JSON: seven digits, which its 24 bits hold, not those that widening invented."""
    return f"{number:.7g}" if number is not None and isfinite(number) else "null"
