"""Arguments and results of a Weaviate call as span attributes. No I/O, no import of the client.

Arguments and results are read by their attribute names, so this module needs no particular version of the client; what
is not there is left out. Literals of filters and the text of queries are content: they are written as far as the
capture setting allows (``?`` stands for a literal otherwise).
"""

import enum
import json
import re
from collections.abc import Mapping, Sized
from typing import Any, Final

from sightline import semconv, sketch
from sightline.capture.policy import CapturePolicy
from sightline.capture.values import cut
from sightline.weaviate.documents import MAX_DOCUMENTS

_MAX_FILTER_CHARS: Final = 2000
_MAX_FILTER_DEPTH: Final = 20


def request_attributes(arguments: Mapping[str, Any], policy: CapturePolicy, *, ranked: bool) -> dict[str, Any]:
    """Return the attributes for the arguments of a search, fetch, aggregation or deletion.

    Args:
        arguments: arguments by the names that the client gives them.
        policy: decides about query text and literals of filters.
        ranked: whether it is a search, so that ``limit`` is its k.
    """
    attributes: dict[str, Any] = {}
    for name, value in arguments.items():  # a call gives few of the many that there are
        if value is None:
            continue
        key = _NUMERIC_ARGUMENTS.get(name)
        if key is not None:
            if isinstance(value, (int, float)):
                attributes[key] = value
        elif name in _OTHER_ARGUMENTS:
            _read_argument(name, value, policy, attributes)
    limit = arguments.get("limit")
    if ranked and isinstance(limit, int):
        attributes[semconv.GEN_AI_REQUEST_TOP_K] = limit
    generative = [name for name, argument in _PROMPT_ARGUMENTS if arguments.get(argument) is not None]
    if generative:
        attributes[semconv.RETRIEVAL_GENERATIVE] = ",".join(generative)
    return attributes


def _read_argument(name: str, value: Any, policy: CapturePolicy, attributes: dict[str, Any]) -> None:
    """Read one argument that is no plain number."""
    if name == "query":
        text = policy.text(value)
        if text is not None:
            attributes[semconv.RETRIEVAL_QUERY_TEXT] = text
    elif name == "fusion_type":
        attributes[semconv.RETRIEVAL_FUSION] = str(getattr(value, "name", value)).lower()
    elif name in _NAME_LIST_ARGUMENTS:
        names = getattr(value, "target_vectors", value)
        if names:
            attributes[_NAME_LIST_ARGUMENTS[name]] = (
                [names] if isinstance(names, str) else [str(name) for name in names]
            )
    elif name in _PROPERTY_ARGUMENTS:
        property_name = value if isinstance(value, str) else str(getattr(value, "prop", type(value).__name__))
        attributes[_PROPERTY_ARGUMENTS[name]] = property_name
    else:
        attributes[semconv.RETRIEVAL_FILTER] = filter_text(value, policy)


_NUMERIC_ARGUMENTS: Final = {
    "alpha": semconv.RETRIEVAL_ALPHA,
    "offset": semconv.RETRIEVAL_OFFSET,
    "auto_limit": semconv.RETRIEVAL_AUTOCUT,
    "distance": semconv.RETRIEVAL_MAX_DISTANCE,
    "max_vector_distance": semconv.RETRIEVAL_MAX_DISTANCE,
    "certainty": semconv.RETRIEVAL_MIN_CERTAINTY,
}
_NAME_LIST_ARGUMENTS: Final = {
    "query_properties": semconv.RETRIEVAL_QUERY_PROPERTIES,
    "target_vector": semconv.RETRIEVAL_TARGET_VECTORS,
}
_PROPERTY_ARGUMENTS: Final = {"group_by": semconv.RETRIEVAL_GROUP_BY, "rerank": semconv.RETRIEVAL_RERANK}
_OTHER_ARGUMENTS: Final = frozenset(
    {"query", "fusion_type", "filters", "where", *_NAME_LIST_ARGUMENTS, *_PROPERTY_ARGUMENTS}
)
_PROMPT_ARGUMENTS: Final = (("single", "single_prompt"), ("grouped", "grouped_task"))


def vector_attributes(vector: Any) -> dict[str, Any]:
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


def filter_text(condition: Any, policy: CapturePolicy) -> str:
    """Return a filter as a person would write it: ``tenants ContainsAny ["public"] And date GreaterThan ?``."""
    text = _filter_text(condition, policy.content, 0)
    if policy.content:
        text = policy.text(text) or "?"
    return cut(text, _MAX_FILTER_CHARS)


def _filter_text(condition: Any, literals: bool, depth: int) -> str:
    if depth > _MAX_FILTER_DEPTH:
        return "…"
    operator = getattr(condition, "operator", None)
    operator_name = str(getattr(operator, "value", operator))
    parts = getattr(condition, "filters", None)
    if parts is not None:
        inside = [_filter_text(part, literals, depth + 1) for part in parts]
        if operator_name == "Not":
            return f"Not ({inside[0]})" if inside else "Not ()"
        # Brackets only where a nested operator would be read wrongly.
        inside = [
            f"({text})"
            if getattr(part, "filters", None) is not None and _sign(part) not in (operator_name, "Not")
            else text
            for part, text in zip(parts, inside, strict=True)
        ]
        return f" {operator_name} ".join(inside)
    value = _literal(getattr(condition, "value", None)) if literals else "?"
    return f"{_path(getattr(condition, 'target', None))} {operator_name} {value}"


def _sign(condition: Any) -> str:
    operator = getattr(condition, "operator", None)
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


def row_count(result: Any) -> int | None:
    """Return how many rows a call returned: objects, tenants, collections or groups; None where that has no meaning."""
    objects = getattr(result, "objects", None)
    if objects is None:
        objects = getattr(result, "groups", None)
    if objects is None and isinstance(result, (Mapping, list)):
        objects = result
    return len(objects) if isinstance(objects, Sized) else None


def group_attributes(result: Any) -> dict[str, Any]:
    """Return the attributes for grouped results and for texts that a generative module wrote."""
    attributes: dict[str, Any] = {}
    groups = getattr(result, "groups", None)
    if isinstance(groups, Sized):
        attributes[semconv.RETRIEVAL_GROUPS] = len(groups)
    total = getattr(result, "total_count", None)
    if isinstance(total, int):
        attributes[semconv.RETRIEVAL_TOTAL_COUNT] = total
    return attributes


def generated_texts(result: Any) -> list[str]:
    """Return the texts that Weaviate's generative module wrote: the grouped one first."""
    places = [result, *list(getattr(result, "objects", None) or ())[:MAX_DOCUMENTS]]
    texts = [getattr(getattr(place, "generative", None), "text", None) for place in places]
    groups = getattr(result, "groups", None)
    if isinstance(groups, Mapping):
        texts += [getattr(group, "generated", None) for group in groups.values()]
    return [text for text in texts if isinstance(text, str) and text]


_TENANT_ERRORS: Final = (
    (
        "missing",
        re.compile(r"has multi-tenancy enabled, but request was without tenant|tenant.{0,20}is required", re.I),
    ),
    ("unexpected", re.compile(r"multi-tenancy (is )?(disabled|not enabled)|has multi-tenancy disabled", re.I)),
    ("inactive", re.compile(r"tenant.{0,80}not active|tenant.{0,80}(cold|frozen|offloaded)", re.I | re.S)),
    ("unknown", re.compile(r"tenant.{0,80}not found|not found.{0,80}tenant", re.I | re.S)),
)


def error_attributes(error: BaseException) -> dict[str, Any]:
    """Return the attributes for a failed call: the server's own status, and the kind of tenant error."""
    attributes: dict[str, Any] = {}
    status = _status(error)
    if status is not None:
        attributes[semconv.DB_RESPONSE_STATUS_CODE] = status
    text = str(error)[:2000]
    for name, pattern in _TENANT_ERRORS:
        if pattern.search(text):
            attributes[semconv.DB_TENANT_ERROR] = name
            break
    return attributes


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
