"""Objects that a Weaviate search returned, as ``gen_ai.retrieval.documents``. No I/O, no import of the client.

Each row is written as JSON text directly, without a dictionary and an encoder: this runs on the caller's thread, once
for each document.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from json.encoder import encode_basestring as _quoted
from math import isfinite
from typing import Any, Final, NamedTuple

from sightline.capture.mode import Capture
from sightline.capture.policy import CapturePolicy
from sightline.capture.values import HARD_LIMIT_CHARS, cut

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
    """A user's description of a collection (``sightline.weaviate.describe``)."""

    attributes: Mapping[str, str]
    """Index and embedding version, ready for a span."""
    content: str | None = None
    """Property that holds a document's text."""
    title: str | None = None
    """Property that holds a document's title."""


class Relevance(NamedTuple):
    """The server's numbers for one returned object; None where it sent none."""

    score: float | None = None
    distance: float | None = None
    certainty: float | None = None
    rerank_score: float | None = None


RelevanceTuple = tuple[float | None, float | None, float | None, float | None]
"""A ``Relevance``, or a plain tuple in its place, which takes less time to make."""
Row = tuple[str, float | None, str]
"""One document: id, score (higher is better in each kind; None where the server sent none), JSON object."""


def documents(
    objects: Iterable[Any],
    relevances: Sequence[RelevanceTuple],
    kind: str,
    policy: CapturePolicy,
    notes: CollectionNotes | None = None,
) -> list[Row]:
    """Return the objects of a search as rows, in rank order.

    Args:
        objects: the client's objects.
        relevances: the server's numbers for each, in order; read from the objects when the lengths differ.
        kind: which number is the score.
        policy: decides about title and content.
        notes: which properties hold them; the usual names are tried otherwise.
    """
    items = list(objects)
    shown = items[:MAX_DOCUMENTS]
    if len(relevances) != len(items):
        relevances = [_relevance(item) for item in shown]
    limit_chars = max(200, min(policy.limit_chars, HARD_LIMIT_CHARS // (len(shown) or 1)))
    writer = _RowWriter(kind, policy, notes, limit_chars)
    return [writer.row(item, relevance) for item, relevance in zip(shown, relevances, strict=False)]


def as_json(rows: Iterable[Row]) -> str:
    """Return rows as the text of an attribute."""
    return f"[{','.join([text for _, _, text in rows])}]"


class _RowWriter:
    """Writes the rows of one search."""

    __slots__ = ("_content", "_kind", "_limit_chars", "_none", "_policy", "_title")

    def __init__(self, kind: str, policy: CapturePolicy, notes: CollectionNotes | None, limit_chars: int) -> None:
        self._kind = kind
        self._policy = policy
        self._none = policy.mode is Capture.NONE
        self._limit_chars = limit_chars
        self._content: Sequence[str] = (notes.content,) if notes and notes.content else _CONTENT_NAMES
        self._title: Sequence[str] = (notes.title,) if notes and notes.title else _TITLE_NAMES

    def row(self, item: Any, relevance: RelevanceTuple) -> Row:
        document_id = str(getattr(item, "uuid", None))
        first_score, distance, certainty, _ = relevance
        score = _score(relevance, self._kind)
        text = f'{{"id":{_quoted(document_id)},"score":{_number(score)}'
        if distance is not None:
            text += f',"distance":{_number(distance)}'
        if certainty is not None:
            text += f',"certainty":{_number(certainty)}'
        if first_score is not None and self._kind == RERANK:
            text += f',"first_score":{_number(first_score)}'
        if not self._none:
            properties = getattr(item, "properties", None)
            if type(properties) is dict or isinstance(properties, Mapping):
                text += self._texts(item, properties)
        return document_id, score, f"{text}}}"

    def _texts(self, item: Any, properties: Mapping[str, Any]) -> str:
        content = _property(properties, self._content)
        policy = self._policy
        if not policy.content:
            return "" if content is None else f',"length":{len(content)}'
        explanation = getattr(getattr(item, "metadata", None), "explain_score", None)
        fields = ""
        for key, value, limit in (
            ("title", _property(properties, self._title), self._limit_chars),
            ("content", content, self._limit_chars),
            ("explain", explanation if isinstance(explanation, str) and explanation else None, 500),
        ):
            text = None if value is None else policy.text(value)
            if text is not None:
                fields += f',"{key}":{_quoted(cut(text, limit))}'
        return fields


def _property(properties: Mapping[str, Any], names: Sequence[str]) -> str | None:
    for name in names:
        value = properties.get(name)
        if isinstance(value, str):
            return value
    return None


def _relevance(item: Any) -> Relevance:
    relevance = getattr(item, "metadata", None)
    numbers = [getattr(relevance, name, None) for name in ("score", "distance", "certainty", "rerank_score")]
    return Relevance(*[number if isinstance(number, (int, float)) else None for number in numbers])


def _score(relevance: RelevanceTuple, kind: str) -> float | None:
    score, distance, certainty, reranked = relevance
    if kind == ONE_MINUS_DISTANCE:
        if distance is not None:
            return 1 - distance
        return None if certainty is None else 1 - 2 * (1 - certainty)
    return reranked if kind == RERANK else score


def _number(number: float | None) -> str:
    """Return a 32-bit float as JSON, with the seven digits that its 24-bit mantissa holds."""
    return f"{number:.7g}" if number is not None and isfinite(number) else "null"
