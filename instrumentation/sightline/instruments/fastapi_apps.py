"""FastAPI applications that are there already, and may be serving, when they are to be traced or no longer traced.

OpenTelemetry's instrumentation exchanges how an application builds its stack of middleware, which an application does
once, before its first request: one that serves already would not notice. Here it builds its stack anew, as taking the
instrumentation out of it does: requests that are running end in the old one, middleware is made again.

FastAPI itself makes spans, in its newer versions, wherever a TracerProvider is set and that instrumentation is not in
the stack. What remains after ``uninstrument()`` is FastAPI's own then, and the log says how to turn it off.
"""

import importlib.util
import logging
import weakref
from typing import Any, Final

_logger = logging.getLogger("sightline")
_given: Final[weakref.WeakSet[Any]] = weakref.WeakSet()


def trace_app(app: Any, options: dict[str, Any]) -> None:
    """Trace an application from its next request on; one that is traced already is left as it is.

    Args:
        app: a FastAPI application.
        options: for OpenTelemetry's instrumentation.

    Raises:
        Exception: the instrumentation is not installed, or does not take the application.
    """
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor  # noqa: PLC0415

    if _is_traced(app):
        return
    FastAPIInstrumentor.instrument_app(app, **options)
    _given.add(app)
    if app.middleware_stack is not None:
        app.middleware_stack = app.build_middleware_stack()


def leave_apps() -> None:
    """Take the instrumentation out of the applications that were given to ``trace_app`` and still have it."""
    for app in list(_given):
        _given.discard(app)
        if _is_traced(app):
            from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor  # noqa: PLC0415

            FastAPIInstrumentor.uninstrument_app(app)


def tell_of_own_spans() -> None:
    """Say in the log that FastAPI goes on by itself, where this version does."""
    if importlib.util.find_spec("fastapi.telemetry") is not None:
        _logger.info(
            "sightline: FastAPI makes spans itself where it is not instrumented;"
            ' FastAPI(telemetry={"tracing": False}) turns them off'
        )


def _is_traced(app: Any) -> bool:
    return bool(getattr(app, "_is_instrumented_by_opentelemetry", False))
