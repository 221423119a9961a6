"""Work in a thread pool keeps its request: span, session, user and tenant go with what is submitted.

``ThreadPoolExecutor.submit`` (so ``map`` and ``loop.run_in_executor`` too) starts with an empty context, unlike
``asyncio.to_thread``. ``configure()`` makes it hand over OpenTelemetry's context, baggage included, and nothing else of
the caller's context variables. Outside of a span nothing changes. Processes and bare threads begin without a span.
"""

import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from opentelemetry.context import Context

from sightline.runtime import CONTEXT, detach


def _run_in(context: Context, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    token = CONTEXT.set(context)
    try:
        return function(*args, **kwargs)
    finally:
        detach(token)


def carry_context() -> Callable[[], None]:
    """Make thread pools hand over the caller's context; returns what undoes it."""
    pool_class: Any = ThreadPoolExecutor
    submit = pool_class.submit

    @functools.wraps(submit)
    def submit_with_context(pool: Any, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        context = CONTEXT.get()
        if not context:
            return submit(pool, function, *args, **kwargs)
        return submit(pool, _run_in, context, function, *args, **kwargs)

    pool_class.submit = submit_with_context

    def undo() -> None:
        # Another instrumentation may have wrapped the method since: what it wrapped stays, and does no harm.
        if pool_class.submit is submit_with_context:
            pool_class.submit = submit

    return undo
