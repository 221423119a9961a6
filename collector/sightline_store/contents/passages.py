"""Passages out of what searches and rerankers gave back, in every shape."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

from sightline_store.contents import values
from sightline_store.contents.parts import Passage

_LISTS = (
    "documents", "docs", "outputs", "output", "nodes", "matches", "results", "source_documents", "points", "hits",
    "chunks", "contexts", "passages", "data", "value", "result", "items", "source_nodes", "objects",
)  # fmt: skip
_TEXTS = ("content", "page_content", "pageContent", "text", "document", "passage", "chunk", "body", "snippet")
_IDENTITIES = ("id", "id_", "document_id", "doc_id", "chunk_id", "node_id", "uuid", "_id", "index", "ids")
_SCORES = ("score", "relevance_score", "similarity", "similarity_score", "certainty", "relevance", "_score")
_DISTANCES = ("distance", "_distance")
_TITLES = ("title", "source", "file_name", "doc_uri", "url")
_INNER = ("document", "node", "payload", "kwargs", "metadata", "properties", "entity", "fields", "text_resource")
_MAX_DEPTH = 6


def passages_of(content: Any, depth: int = 0) -> list[Passage]:  # noqa: PLR0911  (a line a shape)
    """The passages that a value of JSON holds, in their order; [] where it holds none."""
    if depth > _MAX_DEPTH:
        return []
    if isinstance(content, Mapping):
        for name in _LISTS:
            inner = content.get(name)
            if isinstance(inner, list) and inner:
                return passages_of(inner, depth + 1)
            if isinstance(inner, Mapping) and (found := passages_of(inner, depth + 1)):
                return found
        return []
    if not isinstance(content, list | tuple):
        return []
    if (pair := _scored_pair(content)) is not None:
        return [pair]
    return [passage for item in content[: values.MAX_ITEMS] for passage in _of_item(item, depth)]


def passage_of(document: Mapping[str, Any]) -> Passage | None:
    """The passage that an object is; None where it has neither a text nor an id."""
    document = (
        document["document"] if isinstance(document.get("document"), Mapping) and len(document) == 1 else document
    )
    places = list(_places(document))
    text = next(
        (place[name] for place in places for name in _TEXTS if isinstance(place.get(name), str) and place[name]), ""
    )
    text = "" if values.is_nothing(text) else text
    identity = next((str(place[name]) for place in places for name in _IDENTITIES if _is_name(place.get(name))), "")
    title = next((str(place[name]) for place in places for name in _TITLES if _is_name(place.get(name))), identity)
    if not (text or identity or title):
        return None
    return Passage(identity, title or "untitled", _score(places), text)


def is_list_of_passages(content: Any) -> bool:
    """Whether a value has the form of a search's result: then an empty list of passages says that nothing was found."""
    if isinstance(content, Mapping):
        return any(isinstance(content.get(name), list) for name in _LISTS)
    return isinstance(content, list)


def unique_texts(passages: Iterable[Passage]) -> list[Passage]:
    """The passages, each text (of those without a text, each id) once."""
    unique: dict[tuple[str, str], Passage] = {}
    for passage in passages:
        unique.setdefault((passage.content, "" if passage.content else passage.identity), passage)
    return list(unique.values())


def _of_item(item: Any, depth: int) -> list[Passage]:
    if isinstance(item, str):
        if values.is_nothing(item):
            return []
        content = values.loaded(item).content
        if isinstance(content, str):
            return [Passage("", "untitled", None, content)]
        item = content
    if isinstance(item, list | tuple):
        return passages_of(item, depth + 1)
    if isinstance(item, Mapping):
        passage = passage_of(item)
        return [passage] if passage else []
    return []


def _scored_pair(content: Any) -> Passage | None:
    """LangChain's (document, score)."""
    if len(content) == 2 and isinstance(content[0], Mapping) and _number(content[1]) is not None:
        passage = passage_of(content[0])
        return Passage(passage.identity, passage.title, _number(content[1]), passage.content) if passage else None
    return None


def _places(document: Mapping[str, Any], depth: int = 0) -> Iterable[Mapping[str, Any]]:
    """The object, then those inside it that may say what the passage is; metadata may be JSON in a string."""
    yield document
    if depth < 3:
        for name in _INNER:
            inner = document.get(name)
            if isinstance(inner, str) and inner.startswith("{"):
                inner = values.loaded(inner).content
            if isinstance(inner, Mapping):
                yield from _places(inner, depth + 1)


def _score(places: list[Mapping[str, Any]]) -> float | None:
    for names in (_SCORES, _DISTANCES):
        for place in places:
            for name in names:
                if (score := _number(place.get(name))) is not None:
                    return score
    return None


def _is_name(value: Any) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool) and value != ""


def _number(value: Any) -> float | None:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
