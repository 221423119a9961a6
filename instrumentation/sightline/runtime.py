"""What the decorators need at run time: the tracer, the capture policy and the marks in the context.

``configure()`` fills it; without ``configure()`` spans go to whatever TracerProvider the application has set,
which is a no-op when it has set none.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context as otel_context
from opentelemetry import trace as otel_trace
from opentelemetry.context import Context

from sightline import semconv
from sightline.capture import CapturePolicy

if TYPE_CHECKING:
    from sightline.scores import Score

VERSION: Final = "0.1.0"
SCOPE_NAME: Final = "sightline"

_FRAME_KEY: Final = otel_context.create_key("sightline-frame")
_REQUEST_KEY: Final = otel_context.create_key("sightline-request")
_SEARCH_KEY: Final = otel_context.create_key("sightline-search")


class Frame:
    """A span that Sightline started or marked; the innermost one receives ``annotate``."""

    __slots__ = ("_subject", "policy", "prefix", "span", "stage")

    def __init__(
        self,
        span: otel_trace.Span,
        stage: str,
        prefix: str | None = None,
        subject: str | None = None,
        policy: CapturePolicy | None = None,
    ) -> None:
        self.span = span
        self.stage = stage
        self.prefix = prefix
        self._subject = subject
        self.policy = policy
        """What may be captured here; None means what holds for the process."""

    def annotate(self, attributes: Mapping[str, object]) -> None:
        """Write attributes that are already in span form; a model or index told late completes the span's name."""
        self.span.set_attributes(attributes)  # type: ignore[arg-type]
        if self.prefix is not None:
            subject = attributes.get(self._subject or "")
            if isinstance(subject, str) and subject:
                self.span.update_name(f"{self.prefix} {subject}")
                self.prefix = None


class RequestMark:
    """The request span of this context; ``open`` until the request is over."""

    __slots__ = ("first_token_s", "frame", "open", "started_s")

    def __init__(self, frame: Frame, started_s: float) -> None:
        self.frame = frame
        self.started_s = started_s
        """``time.perf_counter()`` at the start of the request, seconds."""
        self.first_token_s: float | None = None
        """Seconds from the start to the first content at the edge; None before it."""
        self.open = True

    def first_token(self) -> None:
        """Write the time to first token, once, as of now."""
        if self.first_token_s is None:
            self.first_token_s = max(time.perf_counter() - self.started_s, 0.0)
            self.frame.span.set_attribute(semconv.RESPONSE_TIME_TO_FIRST_TOKEN, self.first_token_s)


class Runtime:
    """Process-wide state. One instance, ``runtime``; tests swap its fields through ``sightline.testing``."""

    __slots__ = ("capture", "emit_score", "take_waits", "tracer")

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Back to how it is before ``configure()``."""
        self.tracer: otel_trace.Tracer = otel_trace.get_tracer(SCOPE_NAME, VERSION, schema_url=semconv.SCHEMA_URL)
        self.capture = CapturePolicy()
        self.emit_score: Callable[[Score], object] | None = None
        self.take_waits: Callable[[Mapping[str, Any], Sequence[float], int], None] | None = None
        """Takes the waits between the chunks of a stream that ended: attributes, seconds, what each stands for."""


runtime: Final = Runtime()


def _context_variable() -> ContextVar[Context]:
    """Return the variable behind ``opentelemetry.context``, through its public token."""
    token = otel_context.attach(otel_context.get_current())
    variable = getattr(token, "var", None)
    otel_context.detach(token)
    # A context implementation of somebody's own (OTEL_PYTHON_CONTEXT): nothing is made current then.
    return variable if isinstance(variable, ContextVar) else ContextVar("sightline-context", default=Context())  # noqa: B039  a Context is immutable


CONTEXT: Final = _context_variable()
"""OpenTelemetry's current context. Used directly where a call for each streamed chunk would cost too much."""


def current_frame() -> Frame | None:
    """Return the innermost Sightline span of this context."""
    frame = otel_context.get_value(_FRAME_KEY)
    return frame if isinstance(frame, Frame) else None


def current_search() -> Frame | None:
    """Return the innermost search of this context that is still open, whatever else has begun inside it."""
    frame = otel_context.get_value(_SEARCH_KEY)
    return frame if isinstance(frame, Frame) and frame.span.is_recording() else None


def current_request() -> RequestMark | None:
    """Return the mark of the running request, None outside of one or when it is over."""
    mark = otel_context.get_value(_REQUEST_KEY)
    return mark if isinstance(mark, RequestMark) and mark.open else None


def context_with(frame: Frame, mark: RequestMark | None = None, base: Context | None = None) -> Context:
    """Return a context (by default the current one) with a span made current and marked as ours."""
    context = otel_trace.set_span_in_context(frame.span, base)
    # A context is immutable for its readers; this one is new and nobody has seen it: no second copy is needed.
    dict.__setitem__(context, _FRAME_KEY, frame)
    if frame.stage == semconv.STAGE_SEARCH:
        dict.__setitem__(context, _SEARCH_KEY, frame)
    if mark is not None:
        dict.__setitem__(context, _REQUEST_KEY, mark)
    return context


def restore(token: Token[Context]) -> bool:
    """Undo an attach; False, and nothing else, when it was made in another thread or task.

    ``opentelemetry.context.detach`` logs an error with a traceback there, which is what makes
    "was created in a different Context" one of the most reported problems of streaming code.
    """
    try:
        CONTEXT.reset(token)
    except (ValueError, RuntimeError):
        return False
    return True
