"""Session, user and tenant of a request, in OpenTelemetry baggage and from there on every span.

Baggage travels with outgoing calls that are instrumented (the ``baggage`` header), so spans of the next
service carry the same ids. It also travels to third parties that are called this way: use ids, not names.

Source: https://opentelemetry.io/docs/specs/otel/baggage/api/
"""

from typing import Final

from opentelemetry import baggage
from opentelemetry import context as otel_context
from opentelemetry.trace import get_current_span

from sightline import faults, semconv
from sightline.runtime import current_request

ID_KEYS: Final = (semconv.SESSION_ID, semconv.USER_ID, semconv.TENANT_ID)
"""Baggage entries, and attributes of every span below."""


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
        ids = {
            key: str(value) for key, value in zip(ID_KEYS, (session, user, tenant), strict=True) if value is not None
        }
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
