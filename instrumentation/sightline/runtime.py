"""What the decorators need at run time: the tracer, the capture policy, and the current span and request.

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
from sightline.capture.policy import CapturePolicy

if TYPE_CHECKING:
    from sightline.scores import Score

VERSION: Final = "0.1.0"
SCOPE_NAME: Final = "sightline"

_STAGE_SPAN_KEY: Final = otel_context.create_key("sightline-frame")
_REQUEST_KEY: Final = otel_context.create_key("sightline-request")
_RETRIEVAL_KEY: Final = otel_context.create_key("sightline-search")


class StageSpan:
    """A span of a stage, started or marked by Sightline; the innermost one receives ``annotate``."""

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
        """What may be captured here; None: the policy of the process."""

    def annotate(self, attributes: Mapping[str, object]) -> None:
        """Write attributes that a span can hold; a model or index among them completes the span's name."""
        self.span.set_attributes(attributes)  # type: ignore[arg-type]
        if self.prefix is not None:
            subject = attributes.get(self._subject or "")
            if isinstance(subject, str) and subject:
                self.span.update_name(f"{self.prefix} {subject}")
                self.prefix = None


class RequestState:
    """The running request of this context; ``open`` until it is over."""

    __slots__ = ("first_token_s", "open", "stage_span", "started_s")

    def __init__(self, stage_span: StageSpan, started_s: float) -> None:
        self.stage_span = stage_span
        self.started_s = started_s
        """``time.perf_counter()`` at the start of the request, seconds."""
        self.first_token_s: float | None = None
        """Seconds from the start to the first content at the edge; None before it."""
        self.open = True

    def first_token(self) -> None:
        """Write the time to first token, once, as of now."""
        if self.first_token_s is None:
            self.first_token_s = max(time.perf_counter() - self.started_s, 0.0)
            self.stage_span.span.set_attribute(semconv.RESPONSE_TIME_TO_FIRST_TOKEN, self.first_token_s)


class Runtime:
    """Process-wide state. One instance, ``runtime``; tests swap its fields through ``sightline.testing``."""

    __slots__ = ("capture", "emit_score", "record_chunk_waits", "send_rest", "tracer")

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Back to how it is before ``configure()``."""
        self.tracer: otel_trace.Tracer = otel_trace.get_tracer(SCOPE_NAME, VERSION, schema_url=semconv.SCHEMA_URL)
        self.capture = CapturePolicy()
        self.emit_score: Callable[[Score], object] | None = None
        self.record_chunk_waits: Callable[[Mapping[str, Any], Sequence[float], int], None] | None = None
        """Takes the waits between the chunks of a stream that ended: attributes, seconds, weight of each wait."""
        self.send_rest: Callable[[], object] | None = None
        """Sends what is queued, within the time that a process has for it at its end."""


runtime: Final = Runtime()


def _context_variable() -> ContextVar[Context]:
    """Return the variable behind ``opentelemetry.context``, through its public token."""
    token = otel_context.attach(otel_context.get_current())
    variable = getattr(token, "var", None)
    otel_context.detach(token)
    # Another context implementation (OTEL_PYTHON_CONTEXT): no span is made current then.
    return variable if isinstance(variable, ContextVar) else ContextVar("sightline-context", default=Context())  # noqa: B039  a Context is immutable


CONTEXT: Final = _context_variable()
"""OpenTelemetry's current context. Used directly where a call for each streamed chunk would cost too much."""


_SPAN_KEY: Final = next(iter(otel_trace.set_span_in_context(otel_trace.INVALID_SPAN, Context())))
"""Where OpenTelemetry keeps the current span in a context, which only its own functions say."""


def current_stage_span() -> StageSpan | None:
    """Return the innermost Sightline span of this context."""
    stage_span = otel_context.get_value(_STAGE_SPAN_KEY)
    return stage_span if isinstance(stage_span, StageSpan) else None


def current_retrieval() -> StageSpan | None:
    """Return the innermost retrieval span of this context that is still recording."""
    retrieval = otel_context.get_value(_RETRIEVAL_KEY)
    return retrieval if isinstance(retrieval, StageSpan) and retrieval.span.is_recording() else None


def current_request() -> RequestState | None:
    """Return the running request, None outside of one or when it is over."""
    request = otel_context.get_value(_REQUEST_KEY)
    return request if isinstance(request, RequestState) and request.open else None


def context_with(stage_span: StageSpan, request: RequestState | None = None, base: Context | None = None) -> Context:
    """Return a context (by default the current one) with a stage's span as the current one."""
    values: dict[str, object] = {
        **(otel_context.get_current() if base is None else base),
        _SPAN_KEY: stage_span.span,
        _STAGE_SPAN_KEY: stage_span,
    }
    if stage_span.stage == semconv.STAGE_SEARCH:
        values[_RETRIEVAL_KEY] = stage_span
    if request is not None:
        values[_REQUEST_KEY] = request
    return Context(values)


def detach(token: Token[Context]) -> bool:
    """Undo an attach; False, and nothing else, when it was made in another thread or task.

    ``opentelemetry.context.detach`` logs an error with a traceback there, which is what makes
    "was created in a different Context" one of the most reported problems of streaming code.
    """
    try:
        CONTEXT.reset(token)
    except (ValueError, RuntimeError):
        return False
    return True
