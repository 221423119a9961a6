"""Head sampling: whole traces, consistent decisions, weights in tracestate, a header that forces a trace."""

import random
from typing import Any

import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, Decision, ParentBased
from opentelemetry.trace import SpanContext, TraceFlags, TraceState, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

import sightline
from sightline import semconv
from sightline.sampling import DebugPropagator, HeadSampler, ProbabilitySampler, head_sampler, ratio_of
from sightline.testing import captured

SPACE = 1 << 56


def kept(sampler: ProbabilitySampler, trace_id: int) -> bool:
    """Return whether a root span with this trace id is kept."""
    return sampler.should_sample(None, trace_id, "x").decision is Decision.RECORD_AND_SAMPLE


@pytest.mark.parametrize("ratio", [0.0, 0.001, 0.1, 0.5, 0.999, 1.0])
def test_share_of_kept_traces_is_the_ratio(ratio: float) -> None:
    """Over random ids the share is the ratio, within five standard deviations."""
    rng = random.Random(7)
    sampler = ProbabilitySampler(ratio)
    n = 20_000
    share = sum(kept(sampler, rng.getrandbits(128)) for _ in range(n)) / n
    assert abs(share - ratio) <= 5 * (ratio * (1 - ratio) / n) ** 0.5


def test_a_smaller_ratio_keeps_a_part_of_what_a_larger_one_keeps() -> None:
    """Services with different ratios keep nested sets: the rarest traces are whole."""
    rng = random.Random(8)
    ids = [rng.getrandbits(128) for _ in range(5_000)]
    few, many = ProbabilitySampler(0.05), ProbabilitySampler(0.2)
    assert {each for each in ids if kept(few, each)} < {each for each in ids if kept(many, each)}


@pytest.mark.parametrize(
    ("ratio", "threshold"), [(1.0, None), (0.5, "th:8"), (0.25, "th:c"), (0.1, "th:e6666666666668"), (1 / 16, "th:f")]
)
def test_kept_traces_carry_their_weight(ratio: float, threshold: str | None) -> None:
    """``ot=th`` is the rejection threshold: 1/p = 2**56 / (2**56 - th)."""
    result = ProbabilitySampler(ratio).should_sample(None, SPACE - 1, "x")
    assert (result.trace_state or TraceState()).get("ot") == threshold
    if threshold:
        told = int(threshold.removeprefix("th:").ljust(14, "0"), 16)
        assert SPACE / (SPACE - told) == pytest.approx(1 / ratio, rel=1e-9)


def test_wrong_ratio_is_refused() -> None:
    """A ratio outside of 0 to 1 is an error where it is given."""
    with pytest.raises(ValueError, match="needs 0 to 1"):
        ProbabilitySampler(1.5)
    with pytest.raises(sightline.SettingsError, match="sample_ratio"):
        sightline.configure(sample_ratio=2)


def test_the_environment_wins() -> None:
    """OTEL_TRACES_SAMPLER is an operator's word; what it does not name stays the SDK's."""
    default = ParentBased(ALWAYS_OFF)
    ratio = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.25"}
    assert ratio_of(ratio) == 0.25
    assert "ProbabilitySampler{0.25}" in head_sampler(default, ratio, 0.5, None, False).get_description()
    assert "ProbabilitySampler{0.5}" in head_sampler(default, {}, 0.5, None, False).get_description()
    off = {"OTEL_TRACES_SAMPLER": "parentbased_always_off"}
    assert head_sampler(default, off, 0.5, None, False) is default
    plain = head_sampler(default, {"OTEL_TRACES_SAMPLER": "traceidratio"}, None, None, False)
    assert isinstance(plain, ProbabilitySampler)
    assert ratio_of({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "many"}) is None


def provider(secret: str | None, inner: Any = None) -> TracerProvider:
    """Return a provider of one service."""
    return TracerProvider(sampler=HeadSampler(inner or ParentBased(ALWAYS_OFF), secret=secret), shutdown_on_exit=False)


def call(context: Context) -> dict[str, str]:
    """Return the headers that a request from this context carries."""
    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier, context)
    return carrier


def served(service: TracerProvider, headers: dict[str, str], listens: DebugPropagator | None = None) -> Any:
    """Return the server span of a request with these headers, in this service."""
    context = TraceContextTextMapPropagator().extract(headers)
    if listens is not None:
        context = listens.extract(headers, context)
    return service.get_tracer("x").start_span("GET", context, attributes={"a": 1})


def test_debug_header_forces_the_trace_in_every_service() -> None:
    """The right secret traces; the next service follows the signature although its own sampler says no."""
    from opentelemetry.trace import set_span_in_context

    listener = DebugPropagator("s3cret")
    first = served(provider("s3cret"), {"x-sightline-debug": "s3cret"}, listener)
    assert first.get_span_context().trace_flags.sampled
    assert first.attributes[semconv.DEBUG] is True
    assert first.attributes["a"] == 1
    headers = call(set_span_in_context(first))
    assert "s3cret" not in str(headers)
    second = served(provider("s3cret", ALWAYS_OFF), headers, listener)
    assert second.get_span_context().trace_flags.sampled
    assert second.get_span_context().trace_id == first.get_span_context().trace_id
    other_secret = served(provider("other", ALWAYS_OFF), headers)
    assert not other_secret.get_span_context().trace_flags.sampled


@pytest.mark.parametrize("headers", [{}, {"x-sightline-debug": "wrong"}, {"x-sightline-debug": ""}])
def test_wrong_secret_forces_nothing(headers: dict[str, str]) -> None:
    """Without the secret the sampler decides."""
    span = served(provider("s3cret"), headers, DebugPropagator("s3cret"))
    assert not span.get_span_context().trace_flags.sampled


def test_a_signature_holds_for_its_trace_only() -> None:
    """Somebody who saw one signature cannot force another trace."""
    first = served(provider("s"), {"x-sightline-debug": "s"}, DebugPropagator("s"))
    stolen = first.get_span_context().trace_state.get("sightline")
    context = SpanContext(123, 4, True, TraceFlags(0), TraceState([("sightline", stolen)]))
    headers = {
        "traceparent": f"00-{context.trace_id:032x}-{context.span_id:016x}-00",
        "tracestate": f"sightline={stolen}",
    }
    assert not served(provider("s"), headers).get_span_context().trace_flags.sampled


def test_children_of_a_forced_trace_are_kept() -> None:
    """Spans below belong to the trace, whatever the inner sampler is."""
    service = provider("s", ALWAYS_OFF)
    tracer = service.get_tracer("x")
    context = DebugPropagator("s").extract({"x-sightline-debug": "s"}, Context())
    with tracer.start_as_current_span("root", context), tracer.start_as_current_span("child") as child:
        assert child.get_span_context().trace_flags.sampled
        assert semconv.DEBUG not in (child.attributes or {})  # type: ignore[attr-defined]
    assert not get_current_span().get_span_context().is_valid


def test_model_calls_of_dropped_traces_are_recorded_but_not_sampled() -> None:
    """For the metrics a model call is recorded although its trace is not kept."""
    sampler = HeadSampler(ParentBased(ProbabilitySampler(0)), record_models=True)
    with captured(sampler=sampler) as spans, sightline.request("r"), sightline.llm("m"):
        pass
    (span,) = spans
    assert span.name == "chat m"
    assert span.context is not None
    assert not span.context.trace_flags.sampled
