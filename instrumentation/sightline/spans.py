"""Start and end of one span around a call, a stream or a ``with`` block."""

import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextvars import Token
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, Span, SpanKind, Status, StatusCode, get_current_span

from sightline import faults, semconv
from sightline.capture.media import DATA_MARK
from sightline.capture.mode import Capture
from sightline.capture.policy import CapturePolicy
from sightline.capture.values import call_input, cut, length_of
from sightline.runtime import CONTEXT, RequestState, StageSpan, context_with, current_request, detach, runtime

_MESSAGE_LIMIT_CHARS: Final = 1000
_STACK_LIMIT_CHARS: Final = 16_384
_STACK_LIMIT_FRAMES: Final = 100

_NO_CAPTURE: Final = CapturePolicy(Capture.NONE)
_NOTHING: Final = Capture.NONE  # a global: up to Python 3.11 a member is looked up by a call


@dataclass(frozen=True, slots=True)
class SpanPlan:
    """Everything about a decorated function or block that is known before it runs."""

    name: str
    stage: str
    kind: SpanKind = SpanKind.INTERNAL
    attributes: Mapping[str, Any] | None = None
    """Static attributes, the stage among them."""
    prefix: str | None = None
    """First word of a name whose subject is not known yet (``chat`` without a model); None for a complete name."""
    subject: str | None = None
    """Attribute that completes the name."""
    capture: Capture | None = None
    """Overrides the process-wide capture mode."""
    parameter_names: Sequence[str] = ()
    """Parameter names of the decorated function."""
    recorded_only: bool = False
    """Whether arguments and results are left out, while what the code inside records follows the capture mode."""
    first_is_argument: bool = False
    """Whether the function's first parameter is an argument like others: neither ``self`` nor ``cls``."""

    def policy(self) -> CapturePolicy:
        """Return the capture policy that holds here."""
        policy = runtime.capture
        if self.capture is None or self.capture is policy.mode:
            return policy
        return CapturePolicy(self.capture, policy.max_chars, policy.redact, policy.query_sketch)


class OpenSpan:
    """A started span with its context. ``end`` works once; later calls do nothing."""

    __slots__ = ("_ended", "_plan", "context", "has_input", "policy", "request", "span", "stage_span", "started_s")

    def __init__(self, plan: SpanPlan, parent: Context | None = None, argument: object = None) -> None:
        policy = runtime.capture if plan.capture is None else plan.policy()
        own_policy = _NO_CAPTURE if plan.recorded_only else policy
        self._plan = plan
        self._ended = False
        self.policy = own_policy
        stage = plan.stage
        attributes = plan.attributes
        request: RequestState | None = None
        if stage == semconv.STAGE_REQUEST and current_request() is not None:
            stage = semconv.STAGE_WORKFLOW
            attributes = {**(attributes or {}), semconv.STAGE: stage}
        self.has_input = type(argument) is str and len(argument) <= own_policy.limit_as_is and DATA_MARK not in argument
        if self.has_input:  # with the others: an attribute that is set later costs as much as five of them
            attributes = {**(attributes or {}), semconv.INPUT: argument}
        if parent is None:
            parent = CONTEXT.get()  # looked up once; otherwise each step of the SDK looks it up
        self.started_s = time.perf_counter()
        span = runtime.tracer.start_span(plan.name, parent, plan.kind, attributes)
        stage_span = StageSpan(span, stage, plan.prefix, plan.subject, policy)
        if stage == semconv.STAGE_REQUEST:
            request = RequestState(stage_span, self.started_s)
        self.span: Span = span
        self.stage_span = stage_span
        self.request = request
        self.context = context_with(stage_span, request, parent)

    @property
    def stage(self) -> str:
        """Stage of the span (a request inside a request is a workflow)."""
        return self.stage_span.stage

    def capture_call(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> None:
        """Write the input of a call as the policy allows."""
        try:
            if self.policy.mode is not _NOTHING:
                if self._plan.first_is_argument and not kwargs and len(args) == 1:
                    value = args[0]
                else:
                    value = call_input(args, kwargs, self._plan.parameter_names)
                self._capture(value, semconv.INPUT, semconv.INPUT_LENGTH)
        except Exception as fault:
            faults.report("capture input", fault)

    def capture_result(self, value: object) -> None:
        """Write the result of a call as the policy allows."""
        if value is not None:
            self._capture(value, semconv.OUTPUT, semconv.OUTPUT_LENGTH)

    def _capture(self, value: object, key: str, length_key: str) -> None:
        span, policy = self.span, self.policy
        if policy.mode is _NOTHING or not span.is_recording():
            return
        if type(value) is str and len(value) <= policy.limit_as_is and DATA_MARK not in value:
            span.set_attribute(key, value)  # by far the most frequent
        elif policy.content:
            text = policy.text(value)
            if text is not None:
                span.set_attribute(key, text)
        else:
            length = length_of(value)
            if length is not None:
                span.set_attribute(length_key, length)

    def fail(self, error: BaseException) -> None:
        """Write an exception onto the span. A cancellation is no error of the call's own."""
        record_error(self.span, error)

    def end(self) -> None:
        """End the span, once."""
        if self._ended:
            return
        self._ended = True
        if self.request is not None:
            self.request.open = False
        self.span.end()


def is_cancellation(error: BaseException) -> bool:
    """Return whether an exception means that the task was cancelled (asyncio; trio and gevent by its name)."""
    # Without an import of asyncio there is no asyncio cancellation; importing it here would cost 10 ms at start.
    exceptions = sys.modules.get("asyncio.exceptions")
    cancelled = exceptions is not None and isinstance(error, exceptions.CancelledError)
    return cancelled or type(error).__qualname__ in ("Cancelled", "GreenletExit")


def record_error(span: Span, error: BaseException) -> None:
    """Write an exception onto a span: status ERROR, ``error.type``, an exception event; a cancellation as such."""
    try:
        if not span.is_recording():
            return
        if is_cancellation(error):
            span.set_attribute(semconv.SPAN_CANCELLED, True)
            return
        kind = type(error)
        name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
        span.set_attribute(semconv.ERROR_TYPE, name)
        redact = runtime.capture.redact
        try:
            message = _safe_text(str(error), redact)
        except Exception:
            message = ""
        status = f"{kind.__qualname__}: {message}" if message else kind.__qualname__
        span.set_status(Status(StatusCode.ERROR, status[:_MESSAGE_LIMIT_CHARS]))
        try:
            stack = "".join(traceback.format_exception(error, limit=_STACK_LIMIT_FRAMES))
            stack = _safe_text(stack[-_STACK_LIMIT_CHARS:], redact)
        except Exception:
            stack = ""
        span.add_event(
            semconv.EXCEPTION_EVENT,
            {
                semconv.EXCEPTION_TYPE: name,
                semconv.EXCEPTION_MESSAGE: message,
                semconv.EXCEPTION_STACKTRACE: stack,
            },
        )
    except Exception as fault:
        faults.report("record exception", fault)


def _safe_text(text: str, redact: Callable[[str], str] | None) -> str:
    """Return an exception's text, cut and masked: messages often quote user input."""
    short = cut(text, _STACK_LIMIT_CHARS)
    return short if redact is None else redact(short)


def start_span(plan: SpanPlan, parent: Context | None = None, argument: object = None) -> OpenSpan | None:
    """Start a span; None (and a counted fault) when that fails.

    Args:
        plan: what the span is.
        parent: context of the parent; by default the current one.
        argument: the only argument of the decorated call: a text is written at once (`OpenSpan.has_input`).
    """
    try:
        return OpenSpan(plan, parent, argument)
    except Exception as fault:
        faults.report("start span", fault)
        return None


class SpanBlock:
    """A ``with`` block around one span. Make a new one for each block; nesting one object works too."""

    __slots__ = ("_open", "_plan")

    def __init__(self, plan: SpanPlan) -> None:
        self._plan = plan
        self._open: list[tuple[OpenSpan | None, Context, Token[Context] | None]] = []

    def __enter__(self) -> Span:
        open_span = start_span(self._plan)
        before = CONTEXT.get()
        token = None if open_span is None else CONTEXT.set(open_span.context)
        self._open.append((open_span, before, token))
        return INVALID_SPAN if open_span is None else open_span.span

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        open_span, before, token = self._open.pop()
        if open_span is None or token is None:
            return
        if not detach(token) and get_current_span() is open_span.span:
            CONTEXT.set(before)
        end_span(open_span, error)

    async def __aenter__(self) -> Span:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)


def end_span(open_span: OpenSpan, error: BaseException | None) -> None:
    """End a span after its block or call, with the error that ended it; never raises."""
    try:
        if error is not None and not isinstance(error, GeneratorExit):
            open_span.fail(error)
        open_span.end()
    except Exception as fault:
        faults.report("end span", fault)
