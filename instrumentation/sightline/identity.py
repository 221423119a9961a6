"""Session, user and tenant of a request, in OpenTelemetry baggage and from there on every span.

Baggage travels with outgoing calls that are instrumented (the ``baggage`` header), so spans of the next
service carry the same ids. It also travels to third parties that are called this way: use ids, not names.

Source: https://opentelemetry.io/docs/specs/otel/baggage/api/
"""

import itertools
from collections.abc import Callable
from typing import Any, Final

from opentelemetry import baggage
from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.trace import get_current_span

from sightline import faults, semconv
from sightline.forks import renew_in_child
from sightline.runtime import current_request

_KEYS: Final = (semconv.SESSION_ID, semconv.USER_ID, semconv.TENANT_ID)
_BAGGAGE_KEY: Final = next(iter(baggage.set_baggage("any", "thing", Context())))
"""Where OpenTelemetry keeps baggage in a context: looking there is cheaper than asking for all of it."""


def identify(*, session: str | None = None, user: str | None = None, tenant: str | None = None) -> None:
    """Set session, user and tenant of the current request.

    Holds for the rest of the current context (request, task, decorated call) and everything below it, in
    other services too. The current span and the request span get the ids as well. What is None stays as it is.

    Args:
        session: conversation or browser session.
        user: user.
        tenant: customer or workspace.
    """
    try:
        ids = {key: str(value) for key, value in zip(_KEYS, (session, user, tenant), strict=True) if value is not None}
        if not ids:
            return
        context = otel_context.get_current()
        for key, value in ids.items():
            context = baggage.set_baggage(key, value, context)
        otel_context.attach(context)
        get_current_span().set_attributes(ids)
        request = current_request()
        if request is not None and request.stage_span.span is not get_current_span():
            request.stage_span.span.set_attributes(ids)
    except Exception as fault:
        faults.report("identify", fault)


class SpanEnricher(SpanProcessor):
    """Numbers the spans of this process and copies session, user and tenant from baggage onto each.

    A number means something only beside the ``service.instance.id`` of its process: without one, and in a forked child
    that keeps the id of its parent, spans are not numbered.

    Args:
        resource: returns the provider's resource.
    """

    def __init__(self, resource: Callable[[], Resource]) -> None:
        self._resource = resource
        self._instance: object = None
        self._start_numbers()
        renew_in_child(self._start_numbers)  # the resource was made before: in the child it has its new id by then

    def _start_numbers(self) -> None:
        before, self._instance = self._instance, self._resource().attributes.get(semconv.SERVICE_INSTANCE_ID)
        self._numbers = itertools.count(1) if self._instance and self._instance != before else None

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Write the number and the ids. Called by the SDK."""
        try:
            numbers = self._numbers
            if not (otel_context.get_current() if parent_context is None else parent_context).get(_BAGGAGE_KEY):
                if numbers is not None:
                    span.set_attribute(semconv.SPAN_SEQUENCE, next(numbers))  # half the price of set_attributes for one
                return
            baggage_entries = baggage.get_all(parent_context)
            attributes: dict[str, Any] = {} if numbers is None else {semconv.SPAN_SEQUENCE: next(numbers)}
            for key in _KEYS:
                value = baggage_entries.get(key)
                if value is not None:
                    attributes[key] = str(value)
            span.set_attributes(attributes)
        except Exception as fault:
            faults.report("number span", fault)

    def on_end(self, span: ReadableSpan) -> None:
        """Nothing to do. Called by the SDK."""
