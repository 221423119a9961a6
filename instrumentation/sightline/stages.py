"""The public decorators for a request and its parts; those for its searches and models are in ``rag_stages``.

How they work stands in ``sightline.decorators``.
"""

from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar, overload

from sightline import semconv
from sightline.decorators import SpanScope
from sightline.decorators import apply_scope as _apply
from sightline.decorators import make_scope as _scope
from sightline.decorators import told as _told

P = ParamSpec("P")
R = TypeVar("R")


@overload
def trace(function: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def trace(
    name: str | None = None,
    *,
    stage: str | None = None,
    attributes: Mapping[str, object] | None = None,
    capture: str | None = None,
) -> SpanScope: ...
def trace(
    name: Any = None,
    *,
    stage: str | None = None,
    attributes: Mapping[str, object] | None = None,
    capture: str | None = None,
) -> Any:
    """Trace any call. ``stage`` may name a stage that has no decorator of its own: cache, prompt, queue.

    Args:
        name: what the span is called; the function's name when left out.
        stage: value of ``sightline.stage``.
        attributes: more attributes for every span.
        capture: ``none``, ``lengths``, ``truncated`` or ``full``; overrides the setting here, also for what the code
            inside records. ``recorded`` leaves out arguments and result, and what is recorded follows the setting.
    """
    function, target = _told(name)
    return _apply(_scope(stage, target, None, attributes, capture), function)


@overload
def request(function: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def request(
    name: str | None = None,
    *,
    attributes: Mapping[str, object] | None = None,
    capture: str | None = None,
) -> SpanScope: ...
def request(
    name: Any = None,
    *,
    attributes: Mapping[str, object] | None = None,
    capture: str | None = None,
) -> Any:
    """Trace a whole request. Inside a request that is already marked it becomes a workflow: never two requests for one.

    Args:
        name: what the span is called; the function's name when left out.
        attributes: more attributes for every span.
        capture: ``none``, ``lengths``, ``truncated`` or ``full``; overrides the setting here.
    """
    function, target = _told(name)
    return _apply(_scope(semconv.STAGE_REQUEST, target, None, attributes, capture), function)


@overload
def workflow(function: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def workflow(
    name: str | None = None,
    *,
    attributes: Mapping[str, object] | None = None,
    capture: str | None = None,
) -> SpanScope: ...
def workflow(
    name: Any = None,
    *,
    attributes: Mapping[str, object] | None = None,
    capture: str | None = None,
) -> Any:
    """Trace a named part of a request that holds other stages.

    Args:
        name: what the span is called; the function's name when left out.
        attributes: more attributes for every span.
        capture: ``none``, ``lengths``, ``truncated`` or ``full``; overrides the setting here.
    """
    function, target = _told(name)
    return _apply(
        _scope(
            semconv.STAGE_WORKFLOW,
            target,
            None,
            attributes,
            capture,
            prefix="invoke_workflow",
            operation="invoke_workflow",
            subject=semconv.GEN_AI_WORKFLOW_NAME,
            target_is_function=True,
        ),
        function,
    )


@overload
def guardrail(function: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def guardrail(
    name: str | None = None,
    *,
    attributes: Mapping[str, object] | None = None,
    capture: str | None = None,
) -> SpanScope: ...
def guardrail(
    name: Any = None,
    *,
    attributes: Mapping[str, object] | None = None,
    capture: str | None = None,
) -> Any:
    """Trace a check of input or output; say its verdict with ``annotate({semconv.GUARDRAIL_FLAGGED: ...})``.

    Args:
        name: what the span is called; the function's name when left out.
        attributes: more attributes for every span.
        capture: ``none``, ``lengths``, ``truncated`` or ``full``; overrides the setting here.
    """
    function, target = _told(name)
    return _apply(
        _scope(
            semconv.STAGE_GUARD,
            target,
            None,
            attributes,
            capture,
            prefix="guardrail",
            subject=semconv.GUARDRAIL_NAME,
            target_is_function=True,
        ),
        function,
    )


@overload
def tool(function: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def tool(
    name: str | None = None,
    *,
    attributes: Mapping[str, object] | None = None,
    capture: str | None = None,
) -> SpanScope: ...
def tool(
    name: Any = None,
    *,
    attributes: Mapping[str, object] | None = None,
    capture: str | None = None,
) -> Any:
    """Trace a tool that a model called.

    Args:
        name: what the span is called; the function's name when left out.
        attributes: more attributes for every span.
        capture: ``none``, ``lengths``, ``truncated`` or ``full``; overrides the setting here.
    """
    function, target = _told(name)
    return _apply(
        _scope(
            semconv.STAGE_TOOL,
            target,
            None,
            attributes,
            capture,
            prefix="execute_tool",
            operation="execute_tool",
            subject=semconv.GEN_AI_TOOL_NAME,
            target_is_function=True,
        ),
        function,
    )


@overload
def agent(function: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def agent(
    name: str | None = None,
    *,
    attributes: Mapping[str, object] | None = None,
    capture: str | None = None,
) -> SpanScope: ...
def agent(
    name: Any = None,
    *,
    attributes: Mapping[str, object] | None = None,
    capture: str | None = None,
) -> Any:
    """Trace a run of an agent.

    Args:
        name: what the span is called; the function's name when left out.
        attributes: more attributes for every span.
        capture: ``none``, ``lengths``, ``truncated`` or ``full``; overrides the setting here.
    """
    function, target = _told(name)
    return _apply(
        _scope(
            semconv.STAGE_AGENT,
            target,
            None,
            attributes,
            capture,
            prefix="invoke_agent",
            operation="invoke_agent",
            subject=semconv.GEN_AI_AGENT_NAME,
            target_is_function=True,
        ),
        function,
    )
