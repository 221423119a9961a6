"""Turns tracing on and off in FastAPI applications that exist already and may be serving.

OpenTelemetry's instrumentation replaces the method with which an application builds its middleware stack, and an
application calls it once, before its first request. Here the stack is built again, as uninstrumenting does: running
requests finish in the old stack, middleware objects are made anew.

FastAPI itself makes spans, in its newer versions, wherever a TracerProvider is set and that instrumentation is not in
the stack. Spans that remain after ``uninstrument()`` are FastAPI's own, and the log says how to turn them off.
"""

import importlib.util
import logging
import weakref
from typing import Any, Final

_logger = logging.getLogger("sightline")
_traced_apps: Final[weakref.WeakSet[Any]] = weakref.WeakSet()


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
    _traced_apps.add(app)
    if app.middleware_stack is not None:
        app.middleware_stack = app.build_middleware_stack()


def untrace_apps() -> None:
    """Take the instrumentation out of the applications that were given to ``trace_app`` and still have it."""
    for app in list(_traced_apps):
        _traced_apps.discard(app)
        if _is_traced(app):
            from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor  # noqa: PLC0415

            FastAPIInstrumentor.uninstrument_app(app)


def log_built_in_spans() -> None:
    """Log that FastAPI makes spans itself, where this version does."""
    if importlib.util.find_spec("fastapi.telemetry") is not None:
        _logger.info(
            "sightline: FastAPI makes spans itself where it is not instrumented;"
            ' FastAPI(telemetry={"tracing": False}) turns them off'
        )


def _is_traced(app: Any) -> bool:
    return bool(getattr(app, "_is_instrumented_by_opentelemetry", False))
