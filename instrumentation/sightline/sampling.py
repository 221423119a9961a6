"""Head sampling that keeps whole traces, and a header that forces one.

The first service of a trace decides, by the low 56 bits of the trace id; everybody below follows the flag in
``traceparent``. The decision is consistent and carries its own weight: ``tracestate`` says ``ot=th:...``, the threshold
that the trace id had to reach, so that a reader knows that one kept trace stands for ``1/p``.

A request with the debug header and the right secret is traced whatever the ratio, in every service below too:
``tracestate`` carries a signature over the trace id (not the secret), which services with the same secret honour even
where their own sampler would drop the trace. Without a secret there is no debug header.

The head cannot keep errors: they happen later. Keep the ratio at 1 and sample at the tail, in the collector.

Source: https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/
"""

import hmac
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import (
    CarrierT,
    Getter,
    Setter,
    TextMapPropagator,
    default_getter,
    default_setter,
)
from opentelemetry.sdk.trace.sampling import Decision, ParentBased, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanKind, TraceState, get_current_span
from opentelemetry.util.types import Attributes

from sightline import faults, semconv

_logger = logging.getLogger("sightline")
_SPACE: Final = 1 << 56
_STATE_KEY: Final = "sightline"
_DEBUG_KEY: Final = otel_context.create_key("sightline-debug")


class ProbabilitySampler(Sampler):
    """Keeps a trace with a probability, by its id: every service with the same ratio decides alike.

    Args:
        ratio: share of traces to keep, 0 to 1.
    """

    def __init__(self, ratio: float) -> None:
        if not 0 <= ratio <= 1:
            raise ValueError(f"ratio is {ratio}; needs 0 to 1")
        self.ratio = ratio
        self._threshold = round((1 - ratio) * _SPACE)
        self._state = f"th:{self._threshold:014x}".rstrip("0") if self._threshold else "th:0"

    def should_sample(  # noqa: PLR0917  the SDK's signature
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Decide. Called by the SDK."""
        if trace_id % _SPACE < self._threshold:
            return SamplingResult(Decision.DROP, None, trace_state)
        state = trace_state or TraceState()
        if self._threshold:
            state = _with(state, "ot", self._state)
        return SamplingResult(Decision.RECORD_AND_SAMPLE, attributes, state)

    def get_description(self) -> str:
        """Return what it does, for logs."""
        return f"ProbabilitySampler{{{self.ratio}}}"


class HeadSampler(Sampler):
    """Wraps the sampler of ``configure()``: the debug header, and metrics of model calls that are not kept.

    Construct it where an application has a TracerProvider of its own:
    ``TracerProvider(sampler=HeadSampler(ParentBased(ProbabilitySampler(0.1)), secret="..."))``.

    Args:
        inner: decides on traces without the debug header.
        secret: what the debug header must hold; None: no debug header.
        record_models: record model calls that are not kept, so that metrics count all of them; they are not sent.
    """

    def __init__(self, inner: Sampler, *, secret: str | None = None, record_models: bool = False) -> None:
        self._inner = inner
        self._secret = secret
        self._record_models = record_models

    def should_sample(  # noqa: PLR0917  the SDK's signature
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Decide. Called by the SDK."""
        if self._secret is not None:
            debug_result = self._debug_result(parent_context, trace_id, self._secret, attributes)
            if debug_result is not None:
                return debug_result
        result = self._inner.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)
        if (
            self._record_models
            and result.decision is Decision.DROP
            and attributes is not None
            and semconv.GEN_AI_OPERATION_NAME in attributes
        ):
            return SamplingResult(Decision.RECORD_ONLY, attributes, result.trace_state)
        return result

    def _debug_result(
        self, context: Context | None, trace_id: int, secret: str, attributes: Attributes
    ) -> SamplingResult | None:
        has_debug_header = otel_context.get_value(_DEBUG_KEY, context) is True
        parent = get_current_span(context).get_span_context()
        state = parent.trace_state if parent.is_valid else TraceState()
        signature = _signature(secret, trace_id)
        if not has_debug_header and not hmac.compare_digest(state.get(_STATE_KEY) or "", signature):
            return None
        span_attributes: Mapping[str, Any] = attributes or {}
        if not parent.is_valid or parent.is_remote:
            span_attributes = {**span_attributes, semconv.DEBUG: True}
        return SamplingResult(Decision.RECORD_AND_SAMPLE, span_attributes, _with(state, _STATE_KEY, signature))

    def get_description(self) -> str:
        """Return what it does, for logs."""
        return f"HeadSampler{{{self._inner.get_description()}}}"


class DebugPropagator(TextMapPropagator):
    """Reads the debug header of an incoming request; ``tracestate``, not this propagator, carries it onwards.

    Args:
        secret: what the header must hold.
        header: its name.
    """

    def __init__(self, secret: str, header: str = "x-sightline-debug") -> None:
        self._secret = secret.encode()
        self._header = header.lower()

    def extract(
        self, carrier: CarrierT, context: Context | None = None, getter: Getter[CarrierT] = default_getter
    ) -> Context:
        """Mark the context when the header is there and right. Never raises."""
        base = otel_context.get_current() if context is None else context
        try:
            values = getter.get(carrier, self._header)
            if values and hmac.compare_digest(str(values[0]).encode(), self._secret):
                return otel_context.set_value(_DEBUG_KEY, True, base)
        except Exception as fault:
            faults.report("read debug header", fault)
        return base

    def inject(
        self, carrier: CarrierT, context: Context | None = None, setter: Setter[CarrierT] = default_setter
    ) -> None:
        """Send nothing: the secret stays here."""

    @property
    def fields(self) -> set[str]:
        """Names of the headers that ``inject`` writes: none."""
        return set()


def ratio_of(env: Mapping[str, str]) -> float | None:
    """Return the ratio that ``OTEL_TRACES_SAMPLER`` asks for, None when it is unset or names another sampler."""
    if env.get("OTEL_TRACES_SAMPLER", "").strip().lower() not in ("traceidratio", "parentbased_traceidratio"):
        return None
    try:
        ratio = float(env.get("OTEL_TRACES_SAMPLER_ARG", "").strip() or 1.0)
    except ValueError:
        return None  # the SDK logs what is wrong with it
    return ratio if 0 <= ratio <= 1 else None


def head_sampler(
    default: Sampler, env: Mapping[str, str], ratio: float | None, secret: str | None, record_models: bool
) -> Sampler:
    """Return the sampler for a provider of ours.

    Args:
        default: what the SDK read from ``OTEL_TRACES_SAMPLER``.
        env: the environment; it takes precedence over ``ratio``.
        ratio: ``sample_ratio`` of ``configure()``.
        secret: secret of the debug header.
        record_models: see ``HeadSampler``.
    """
    kind = env.get("OTEL_TRACES_SAMPLER", "").strip().lower()
    env_ratio = ratio_of(env)
    inner = default
    if env_ratio is not None:
        probability = ProbabilitySampler(env_ratio)
        inner = ParentBased(probability) if kind.startswith("parentbased") else probability
    elif not kind and ratio is not None:
        inner = ParentBased(ProbabilitySampler(ratio))
    if secret is None and not record_models:
        return inner
    return HeadSampler(inner, secret=secret, record_models=record_models)


def listen_for_debug(secret: str, header: str) -> None:
    """Add the propagator of the debug header to the global one."""
    from opentelemetry import propagate  # noqa: PLC0415  only services with a secret pay for it
    from opentelemetry.propagators.composite import CompositePropagator  # noqa: PLC0415

    propagate.set_global_textmap(CompositePropagator([propagate.get_global_textmap(), DebugPropagator(secret, header)]))
    _logger.info("sightline: requests with the right %s header are always traced", header)


def _signature(secret: str, trace_id: int) -> str:
    return hmac.digest(secret.encode(), trace_id.to_bytes(16, "big"), "sha256").hex()[:16]


def _with(state: TraceState, key: str, value: str) -> TraceState:
    return state.update(key, value) if key in state else state.add(key, value)
