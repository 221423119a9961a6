"""Masks the content that other people's instrumentations wrote, on its way out.

``configure(redact=...)`` masks what this library captures before it stands on a span. Spans of other instrumentations
pass through the same exporter with content of their own (prompts, answers, SQL, exception messages): it is masked here,
on the exporting thread, in what is sent. The spans themselves stay as they are: an exporter that the application has
added beside ours sees them unmasked.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import Status

from sightline.runtime import SCOPE_NAME

_CONTENT: Final = re.compile(
    r"gen_ai\.(?:prompt|completion|content|input\.messages|output\.messages|system_instructions|tool\.call\.|tool\.def"
    r"|retrieval\.)"
    r"|(?:llm|embedding|retrieval|reranker|tool|message|document|ai|mcp)\.|input\.|output\.|traceloop\.entity\."
    r"|langfuse\.|exception\.(?:message|stacktrace)|db\.(?:statement|query\.)|graphql\.|messaging\.message\.body"
    r"|http\.(?:request|response)\.(?:header|body)|url\.(?:full|query)|http\.(?:url|target)|user\.email|enduser\."
)
"""Attributes that hold what people or models said, or what may quote it. Addresses and ids stay readable."""


def masked(spans: Sequence[ReadableSpan], redact: Callable[[str], str]) -> list[ReadableSpan]:
    """Return the spans for sending: those of others with their content masked, ours as they are."""
    return [span if _ours(span) else _masked(span, redact) for span in spans]


def _ours(span: ReadableSpan) -> bool:
    scope = span.instrumentation_scope
    return scope is not None and scope.name.split(".", 1)[0] == SCOPE_NAME


def _masked(span: ReadableSpan, redact: Callable[[str], str]) -> ReadableSpan:
    attributes = _attributes(span.attributes, redact)
    events = [
        Event(each.name, changed, each.timestamp)
        if (changed := _attributes(each.attributes, redact)) is not None
        else each
        for each in span.events
    ]
    status = span.status
    if status.description:
        status = Status(status.status_code, redact(status.description))
    if (
        attributes is None
        and status.description == span.status.description
        and all(new is old for new, old in zip(events, span.events, strict=True))
    ):
        return span
    return ReadableSpan(
        name=span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=span.attributes if attributes is None else attributes,
        events=events,
        links=span.links,
        kind=span.kind,
        status=status,
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _attributes(attributes: Mapping[str, Any] | None, redact: Callable[[str], str]) -> dict[str, Any] | None:
    """Return the attributes with content masked, None when nothing changes."""
    changed: dict[str, Any] = {}
    for key, value in (attributes or {}).items():
        if not _CONTENT.match(key):
            continue
        if isinstance(value, str):
            new: Any = redact(value)
        elif isinstance(value, (list, tuple)) and value and isinstance(value[0], str):
            new = tuple(redact(each) if isinstance(each, str) else each for each in value)
        else:
            continue
        if new != value:
            changed[key] = new
    return {**(attributes or {}), **changed} if changed else None
