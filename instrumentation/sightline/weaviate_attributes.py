"""What a Weaviate call asked for and what came back, as span attributes. No I/O, no import of the client.

Arguments and results are read by their attribute names, so this module needs no particular version of the client; what
is not there is left out. Literals of filters and the text of queries are content: they are written as far as the
capture setting allows (``?`` stands for a literal otherwise).
"""

import enum
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sightline import semconv, sketch
from sightline.capture import HARD_LIMIT_CHARS, CapturePolicy, cut
from sightline.settings import Capture

FUSION: Final = "fusion"
BM25: Final = "bm25"
RERANK: Final = "rerank"
ONE_MINUS_DISTANCE: Final = "one_minus_distance"

MAX_DOCUMENTS: Final = 1000
"""Documents that are written at most; ``db.response.returned_rows`` still counts all."""

_MAX_FILTER_CHARS: Final = 2000
_MAX_FILTER_DEPTH: Final = 20
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


def of_request(asked: Mapping[str, Any], policy: CapturePolicy, *, ranked: bool) -> dict[str, Any]:
    """Return the attributes for the arguments of a search, fetch, aggregation or deletion.

    Args:
        asked: arguments by the names that the client gives them.
        policy: decides about query text and literals of filters.
        ranked: whether it is a search, so that ``limit`` is its k.
    """
    found: dict[str, Any] = {}
    limit = asked.get("limit")
    if ranked and isinstance(limit, int):
        found[semconv.GEN_AI_REQUEST_TOP_K] = limit
    query = asked.get("query")
    text = None if query is None else policy.text(query)
    if text is not None:
        found[semconv.RETRIEVAL_QUERY_TEXT] = text
    for name, key in _NUMBERS:
        value = asked.get(name)
        if isinstance(value, (int, float)):
            found[key] = value
    fusion = asked.get("fusion_type")
    if fusion is not None:
        found[semconv.RETRIEVAL_FUSION] = str(getattr(fusion, "name", fusion)).lower()
    targets = asked.get("target_vector")
    for names, key in (
        (asked.get("query_properties"), semconv.RETRIEVAL_QUERY_PROPERTIES),
        (getattr(targets, "target_vectors", targets), semconv.RETRIEVAL_TARGET_VECTORS),
    ):
        if names:
            found[key] = [names] if isinstance(names, str) else [str(name) for name in names]
    for name, key in (("group_by", semconv.RETRIEVAL_GROUP_BY), ("rerank", semconv.RETRIEVAL_RERANK)):
        value = asked.get(name)
        if value is not None:
            found[key] = value if isinstance(value, str) else str(getattr(value, "prop", type(value).__name__))
    wanted = asked.get("filters", asked.get("where"))
    if wanted is not None:
        found[semconv.RETRIEVAL_FILTER] = filter_text(wanted, policy)
    generative = [name for name, given in _PROMPTS if asked.get(given) is not None]
    if generative:
        found[semconv.RETRIEVAL_GENERATIVE] = ",".join(generative)
    return found


_NUMBERS: Final = (
    ("alpha", semconv.RETRIEVAL_ALPHA),
    ("offset", semconv.RETRIEVAL_OFFSET),
    ("auto_limit", semconv.RETRIEVAL_AUTOCUT),
    ("distance", semconv.RETRIEVAL_MAX_DISTANCE),
    ("max_vector_distance", semconv.RETRIEVAL_MAX_DISTANCE),
    ("certainty", semconv.RETRIEVAL_MIN_CERTAINTY),
)
_PROMPTS: Final = (("single", "single_prompt"), ("grouped", "grouped_task"))


def of_vector(vector: Any) -> dict[str, Any]:
    """Return the attributes for the vector of a search: its sketch; empty where there is none, or more than one."""
    if vector is None:
        return {}
    if hasattr(vector, "vector") and not isinstance(vector, Mapping):  # HybridVector.near_vector(...)
        vector = vector.vector
    if isinstance(vector, Mapping):  # by target; more than one is no single question to sketch
        if len(vector) != 1:
            return {}
        vector = next(iter(vector.values()))
    return sketch.query_attributes(vector)


def filter_text(wanted: Any, policy: CapturePolicy) -> str:
    """Return a filter as a person would write it: ``tenants ContainsAny ["public"] And date GreaterThan ?``."""
    text = _filter(wanted, policy.content, 0)
    if policy.content:
        text = policy.text(text) or "?"
    return cut(text, _MAX_FILTER_CHARS)


def _filter(wanted: Any, literals: bool, depth: int) -> str:
    if depth > _MAX_FILTER_DEPTH:
        return "…"
    operator = getattr(wanted, "operator", None)
    sign = str(getattr(operator, "value", operator))
    parts = getattr(wanted, "filters", None)
    if parts is not None:
        inside = [_filter(part, literals, depth + 1) for part in parts]
        if sign == "Not":
            return f"Not ({inside[0]})" if inside else "Not ()"
        # An operator of its own stands in brackets only where it would be read wrongly.
        inside = [
            f"({text})" if getattr(part, "filters", None) is not None and _sign(part) not in (sign, "Not") else text
            for part, text in zip(parts, inside, strict=True)
        ]
        return f" {sign} ".join(inside)
    value = _literal(getattr(wanted, "value", None)) if literals else "?"
    return f"{_path(getattr(wanted, 'target', None))} {sign} {value}"


def _sign(wanted: Any) -> str:
    operator = getattr(wanted, "operator", None)
    return str(getattr(operator, "value", operator))


def _path(target: Any) -> str:
    steps = []
    for _ in range(_MAX_FILTER_DEPTH):
        if target is None or isinstance(target, str):
            steps.append(target or "?")
            break
        link = str(getattr(target, "link_on", "?"))
        collection = getattr(target, "target_collection", None)
        steps.append(f"{link}[{collection}]" if collection else link)
        if not hasattr(target, "target"):
            break
        target = target.target
    return ".".join(steps)


def _literal(value: Any) -> str:
    if isinstance(value, enum.Enum):
        value = value.value
    if value is None or isinstance(value, (str, bool, int, float)):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, (list, tuple, set, frozenset)):
        shown = [_literal(item) for item in list(value)[:50]]
        return f"[{', '.join(shown)}{', …' if len(value) > 50 else ''}]"
    return json.dumps(str(value), ensure_ascii=False)


def rows_of(result: Any) -> int | None:
    """Return how many rows came back: objects, tenants, collections or groups; None where that has no meaning."""
    objects = getattr(result, "objects", None)
    if objects is None:
        objects = getattr(result, "groups", None)
    if objects is None and isinstance(result, (Mapping, list)):
        objects = result
    return len(objects) if isinstance(objects, Sized) else None


def of_groups(result: Any) -> dict[str, Any]:
    """Return the attributes for grouped results and for texts that a generative module wrote."""
    found: dict[str, Any] = {}
    groups = getattr(result, "groups", None)
    if isinstance(groups, Sized):
        found[semconv.RETRIEVAL_GROUPS] = len(groups)
    total = getattr(result, "total_count", None)
    if isinstance(total, int):
        found[semconv.RETRIEVAL_TOTAL_COUNT] = total
    return found


def generated_texts(result: Any) -> list[str]:
    """Return the texts that Weaviate's generative module wrote: the grouped one first."""
    places = [result, *list(getattr(result, "objects", None) or ())[:MAX_DOCUMENTS]]
    texts = [getattr(getattr(place, "generative", None), "text", None) for place in places]
    groups = getattr(result, "groups", None)
    if isinstance(groups, Mapping):
        texts += [getattr(group, "generated", None) for group in groups.values()]
    return [text for text in texts if isinstance(text, str) and text]


def documents(
    objects: Iterable[Any],
    relevances: Sequence[Relevance],
    kind: str,
    policy: CapturePolicy,
    notes: CollectionNotes | None = None,
) -> list[dict[str, Any]]:
    """Return found objects as rows of ``gen_ai.retrieval.documents``, in rank order.

    Args:
        objects: the client's objects.
        relevances: what the server said about each, in order; read from the objects when it has another length.
        kind: which number is the score: higher is better in each kind.
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


@dataclass(frozen=True, slots=True)
class _Rows:
    kind: str
    policy: CapturePolicy
    notes: CollectionNotes | None
    limit_chars: int

    def row(self, item: Any, relevance: Relevance) -> dict[str, Any]:
        row: dict[str, Any] = {"id": str(getattr(item, "uuid", None)), "score": _score(relevance, self.kind)}
        if relevance.distance is not None:
            row["distance"] = _short(relevance.distance)
        if relevance.certainty is not None:
            row["certainty"] = _short(relevance.certainty)
        if self.kind == RERANK and relevance.score is not None:
            row["first_score"] = _short(relevance.score)
        if self.policy.mode is not Capture.NONE:
            properties = getattr(item, "properties", None)
            if isinstance(properties, Mapping):
                self._texts(row, item, properties)
        return row

    def _texts(self, row: dict[str, Any], item: Any, properties: Mapping[str, Any]) -> None:
        content = _property(properties, self.notes.content if self.notes else None, _CONTENT_NAMES)
        if not self.policy.content:
            if content is not None:
                row["length"] = len(content)
            return
        title = _property(properties, self.notes.title if self.notes else None, _TITLE_NAMES)
        for name, text in (("title", title), ("content", content)):
            shown = None if text is None else self.policy.text(text)
            if shown is not None:
                row[name] = cut(shown, self.limit_chars)
        explained = getattr(getattr(item, "metadata", None), "explain_score", None)
        shown = self.policy.text(explained) if isinstance(explained, str) and explained else None
        if shown is not None:
            row["explain"] = cut(shown, 500)


def _property(properties: Mapping[str, Any], told: str | None, usual: Sequence[str]) -> str | None:
    for name in (told,) if told else usual:
        value = properties.get(name)
        if isinstance(value, str):
            return value
    return None


def _relevance(item: Any) -> Relevance:
    said = getattr(item, "metadata", None)
    numbers = [getattr(said, name, None) for name in ("score", "distance", "certainty", "rerank_score")]
    return Relevance(*[number if isinstance(number, (int, float)) else None for number in numbers])


def _score(relevance: Relevance, kind: str) -> float | None:
    number = relevance.score
    if kind == RERANK:
        number = relevance.rerank_score
    elif kind == ONE_MINUS_DISTANCE:
        distance = relevance.distance
        if distance is None and relevance.certainty is not None:
            distance = 2 * (1 - relevance.certainty)
        number = None if distance is None else 1 - distance
    return None if number is None else _short(number)


def _short(number: float) -> float | None:
    """Return a number of the wire, which has 24 bits, without the digits that its widening invented."""
    return round(number, 7) if math.isfinite(number) else None


_TENANT_ERRORS: Final = (
    (
        "missing",
        re.compile(r"has multi-tenancy enabled, but request was without tenant|tenant.{0,20}is required", re.I),
    ),
    ("unexpected", re.compile(r"multi-tenancy (is )?(disabled|not enabled)|has multi-tenancy disabled", re.I)),
    ("inactive", re.compile(r"tenant.{0,80}not active|tenant.{0,80}(cold|frozen|offloaded)", re.I | re.S)),
    ("unknown", re.compile(r"tenant.{0,80}not found|not found.{0,80}tenant", re.I | re.S)),
)


def of_error(error: BaseException) -> dict[str, Any]:
    """Return the attributes for a failed call: the server's own status, and how its tenant was missed."""
    found: dict[str, Any] = {}
    status = _status(error)
    if status is not None:
        found[semconv.DB_RESPONSE_STATUS_CODE] = status
    text = str(error)[:2000]
    for name, pattern in _TENANT_ERRORS:
        if pattern.search(text):
            found[semconv.DB_TENANT_ERROR] = name
            break
    return found


def _status(error: BaseException | None) -> str | None:
    for _ in range(6):
        if error is None:
            break
        http = getattr(error, "status_code", None)
        if isinstance(http, int) and http > 0:
            return str(http)
        code = getattr(error, "code", None)
        if callable(code):
            name = getattr(code(), "name", None)
            if isinstance(name, str):
                return name
        error = error.__cause__ or error.__context__
    return None


def as_json(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as the text of an attribute."""
    return _encode(rows)


_encode: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
