"""Numbers and ids of spans, by the sampler of a provider of Sightline's own and by the processor of another's."""

from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry import baggage
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    DEFAULT_ON,
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
)
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState, set_span_in_context

from sightline import faults, semconv
from sightline.enrichment import EnrichingSampler, SpanEnricher
from sightline.sampling import HeadSampler

RESOURCE = Resource({semconv.SERVICE_INSTANCE_ID: "1"})


class RecordOnly(Sampler):
    """Records every span and samples none."""

    def should_sample(self, *args: Any, **kwargs: Any) -> SamplingResult:
        """Decide. Called by the SDK."""
        return SamplingResult(Decision.RECORD_ONLY)

    def get_description(self) -> str:
        """Return what it does."""
        return "RecordOnly"


class Seen(SpanProcessor):
    """Keeps the attributes of spans: at their start, and at their end."""

    def __init__(self) -> None:
        self.started: list[dict[str, Any]] = []
        self.ended: list[dict[str, Any]] = []

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Keep the attributes. Called by the SDK."""
        self.started.append(dict(span.attributes or {}))

    def on_end(self, span: ReadableSpan) -> None:
        """Keep the attributes. Called by the SDK."""
        self.ended.append(dict(span.attributes or {}))


def by_sampler(sampler: Sampler, seen: Seen) -> TracerProvider:
    """Return a provider whose sampler enriches; the processor is there before."""
    provider = TracerProvider(resource=RESOURCE, shutdown_on_exit=False)
    provider.add_span_processor(seen)
    provider.sampler = EnrichingSampler(sampler, lambda: RESOURCE)
    return provider


def by_processor(sampler: Sampler, seen: Seen) -> TracerProvider:
    """Return a provider with a sampler of its own, whose first processor enriches."""
    provider = TracerProvider(sampler, resource=RESOURCE, shutdown_on_exit=False)
    provider.add_span_processor(SpanEnricher(lambda: RESOURCE))
    provider.add_span_processor(seen)
    return provider


WAYS = pytest.mark.parametrize("provider_with", [by_sampler, by_processor])
Way = Callable[[Sampler, Seen], TracerProvider]


def parent(*, sampled: bool, remote: bool) -> Context:
    """Return a context with a span in it."""
    flags = TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)
    return set_span_in_context(
        NonRecordingSpan(SpanContext(7, 8, remote, flags, TraceState([("vendor", "x")]))), Context()
    )


PARENTS = [
    Context(),
    set_span_in_context(NonRecordingSpan(SpanContext(0, 0, False)), Context()),
    *[parent(sampled=sampled, remote=remote) for sampled in (True, False) for remote in (True, False)],
]


@pytest.mark.parametrize("inner", [DEFAULT_ON, ALWAYS_ON, ALWAYS_OFF, ParentBased(ALWAYS_OFF)])
@pytest.mark.parametrize("context", PARENTS)
def test_decision_and_trace_state_are_those_of_the_inner_sampler(inner: Sampler, context: Context) -> None:
    """Only the attributes of recorded spans differ: below every kind of parent, and without one."""
    given: dict[str, Any] = {"a": 1}
    expected = inner.should_sample(context, 7, "x", None, given, ())
    result = EnrichingSampler(inner, lambda: RESOURCE).should_sample(context, 7, "x", None, given, ())
    assert (result.decision, result.trace_state) == (expected.decision, expected.trace_state)
    numbered = {} if expected.decision is Decision.DROP else {semconv.SPAN_SEQUENCE: 1}
    assert result.attributes == {**(expected.attributes or {}), **numbered}
    assert given == {"a": 1}


@WAYS
def test_other_processors_see_number_and_ids_at_the_start(provider_with: Way) -> None:
    """Both ways write the same, before another processor's ``on_start`` runs; ids come from the parent's context."""
    seen = Seen()
    tracer = provider_with(DEFAULT_ON, seen).get_tracer("x")
    context = baggage.set_baggage("other", "o", baggage.set_baggage(semconv.USER_ID, 5, Context()))
    tracer.start_span("a", Context(), attributes={"own": True}).end()
    tracer.start_span("b", context, attributes={semconv.USER_ID: "overwritten"}).end()
    assert seen.started == seen.ended
    assert seen.ended == [
        {"own": True, semconv.SPAN_SEQUENCE: 1},
        {semconv.USER_ID: "5", semconv.SPAN_SEQUENCE: 2},
    ]


@WAYS
def test_spans_that_are_recorded_but_not_sent_use_up_no_number(provider_with: Way) -> None:
    """The store would take their numbers for spans that were lost; model calls outside of the sample are such spans."""
    seen = Seen()
    sampler = HeadSampler(ParentBased(ALWAYS_ON), record_models=True)
    tracer = provider_with(sampler, seen).get_tracer("x")
    model = {semconv.GEN_AI_OPERATION_NAME: "chat"}
    tracer.start_span("left out", parent(sampled=False, remote=True), attributes=model).end()
    tracer.start_span("sent", Context(), attributes=model).end()
    assert seen.ended == [model, {**model, semconv.SPAN_SEQUENCE: 1}]


@WAYS
def test_unsampled_spans_get_the_ids(provider_with: Way) -> None:
    """A sampler may record every span for other processors: those have the ids, and no number."""
    seen = Seen()
    tracer = provider_with(RecordOnly(), seen).get_tracer("x")
    tracer.start_span("a", baggage.set_baggage(semconv.TENANT_ID, "t", Context())).end()
    assert seen.ended == [{semconv.TENANT_ID: "t"}]


@WAYS
def test_fault_leaves_the_span_as_it_is(provider_with: Way) -> None:
    """Baggage that has no text: the span is made, the fault is counted, and no number is used up."""

    class Hostile:
        def __str__(self) -> str:
            raise ValueError

    faults.reset()
    seen = Seen()
    tracer = provider_with(DEFAULT_ON, seen).get_tracer("x")
    tracer.start_span("a", baggage.set_baggage(semconv.USER_ID, Hostile(), Context()), attributes={"own": 1}).end()
    tracer.start_span("b", Context()).end()
    assert seen.ended == [{"own": 1}, {semconv.SPAN_SEQUENCE: 1}]
    assert faults.counts()["number span"] == 1


def test_description_names_the_inner_sampler() -> None:
    """Logs tell what decides."""
    assert EnrichingSampler(ALWAYS_ON, lambda: RESOURCE).get_description() == "EnrichingSampler{AlwaysOnSampler}"
