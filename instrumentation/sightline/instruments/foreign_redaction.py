"""Masks content in the spans of third-party instrumentations before they are sent.

``configure(redact=...)`` masks what this library captures before it is written onto a span. Spans of other
instrumentations pass through the same exporter with content of their own (prompts, answers, SQL, exception messages),
which is masked here, on the exporting thread, in copies of the spans. The spans themselves are not changed: another
exporter of the application sends them unmasked.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from opentelemetry.sdk.trace import Event
from opentelemetry.trace import Status

from sightline import faults
from sightline.export.ended_span import EndedSpan
from sightline.runtime import SCOPE_NAME

_CONTENT_KEYS: Final = re.compile(
    r"gen_ai\.(?:prompt|completion|content|input\.messages|output\.messages|system_instructions|tool\.call\.|tool\.def"
    r"|retrieval\.)"
    r"|(?:llm|embedding|retrieval|reranker|tool|message|document|ai|mcp)\.|input\.|output\.|traceloop\.entity\."
    r"|langfuse\.|exception\.(?:message|stacktrace)|db\.(?:statement|query\.)|graphql\.|messaging\.message\.body"
    r"|http\.(?:request|response)\.(?:header|body)|url\.(?:full|query)|http\.(?:url|target)|user\.email|enduser\."
)
"""Attributes that hold prompts, answers or documents, or may quote them. Addresses and ids are not masked."""


def masked(spans: Sequence[EndedSpan], redact: Callable[[str], str]) -> list[EndedSpan]:
    """Return the spans for sending: third-party ones with their content masked, this library's as they are.

    A text in which ``redact`` fails becomes empty.
    """

    def mask(text: str) -> str:
        try:
            return redact(text)
        except Exception as fault:
            faults.report("redact", fault)
            return ""

    return [span if _is_own(span) else _masked(span, mask) for span in spans]


def _is_own(span: EndedSpan) -> bool:
    scope = span.instrumentation_scope
    return scope is not None and scope.name.split(".", 1)[0] == SCOPE_NAME


def _masked(span: EndedSpan, redact: Callable[[str], str]) -> EndedSpan:
    attributes = _attributes(span.attributes, redact)
    events = [
        Event(event.name, changed, event.timestamp)
        if (changed := _attributes(event.attributes, redact)) is not None
        else event
        for event in span.events
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
    return span._replace(
        attributes=span.attributes if attributes is None else attributes, events=tuple(events), status=status
    )


def _attributes(attributes: Mapping[str, Any] | None, redact: Callable[[str], str]) -> dict[str, Any] | None:
    """Return the attributes with content masked, None when nothing changes."""
    changed: dict[str, Any] = {}
    for key, value in (attributes or {}).items():
        if not _CONTENT_KEYS.match(key):
            continue
        if isinstance(value, str):
            new: Any = redact(value)
        elif isinstance(value, (list, tuple)) and value and isinstance(value[0], str):
            new = tuple(redact(item) if isinstance(item, str) else item for item in value)
        else:
            continue
        if new != value:
            changed[key] = new
    return {**(attributes or {}), **changed} if changed else None
