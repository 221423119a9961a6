"""What every span of a process gets at its start: its number, and session, user and tenant from baggage.

A number means something only beside the ``service.instance.id`` of its process: without one, and in a forked child that
keeps the id of its parent, spans are not numbered. Nor are those that head sampling records without sending them: the
store would take each for a lost one.

There are two ways onto a span. Where the provider is Sightline's own, its sampler hands these attributes over together
with those that the span starts with: an attribute that is set later costs as much as five of them. An application's own
provider keeps its sampler, so there a span processor sets them.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import Any, Final

from opentelemetry import baggage
from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.sampling import DEFAULT_ON, Decision, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanKind, TraceState, get_current_span
from opentelemetry.util.types import Attributes

from sightline import faults, semconv
from sightline.forks import renew_in_child
from sightline.identity import ID_KEYS

_BAGGAGE_KEY: Final = next(iter(baggage.set_baggage("any", "thing", Context())))
"""Where OpenTelemetry keeps baggage in a context: looking there is cheaper than asking for all of it."""
_KEEP: Final = Decision.RECORD_AND_SAMPLE


class Enrichment:
    """Counts the spans of this process.

    Args:
        resource: returns the provider's resource.
    """

    def __init__(self, resource: Callable[[], Resource]) -> None:
        self._resource = resource
        self._instance: object = None
        self._start_numbers()
        renew_in_child(self._start_numbers)  # the resource was made before: in the child it has its new id by then

    def _start_numbers(self) -> None:
        before, self._instance = self._instance, self._resource().attributes.get(semconv.SERVICE_INSTANCE_ID)
        self._numbers = itertools.count(1) if self._instance and self._instance != before else None

    def added_to(self, attributes: Attributes, parent: Context | None, *, sent: bool) -> Attributes:
        """Return attributes with those of the next span; as they are where that fails.

        Args:
            attributes: what the span has already.
            parent: context that it starts in; None: the current one.
            sent: whether it will be sent.
        """
        try:
            enriched: dict[str, Any] = {} if attributes is None else dict(attributes)
            if (otel_context.get_current() if parent is None else parent).get(_BAGGAGE_KEY):
                entries = baggage.get_all(parent)
                enriched.update({key: str(entries[key]) for key in ID_KEYS if entries.get(key) is not None})
            if sent and self._numbers is not None:
                enriched[semconv.SPAN_SEQUENCE] = next(self._numbers)  # last: a fault must not use up a number
        except Exception as fault:
            faults.report("number span", fault)
            return attributes
        return enriched


class EnrichingSampler(Sampler):
    """Decides as another sampler does, and adds to the attributes of the spans that are recorded.

    Args:
        inner: the sampler that decides.
        resource: returns the provider's resource.
    """

    def __init__(self, inner: Sampler, resource: Callable[[], Resource]) -> None:
        self._inner = inner
        self._is_default = inner is DEFAULT_ON
        self._enrichment = Enrichment(resource)

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
        if self._is_default:
            # Its answer is known, unless the parent was left out: the span is kept, with the parent's trace state.
            parent = get_current_span(parent_context).get_span_context()
            if not parent.is_valid:
                return SamplingResult(_KEEP, self._enrichment.added_to(attributes, parent_context, sent=True))
            if parent.trace_flags.sampled:
                return SamplingResult(
                    _KEEP, self._enrichment.added_to(attributes, parent_context, sent=True), parent.trace_state
                )
        result = self._inner.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)
        if result.decision is Decision.DROP:
            return result
        enriched = self._enrichment.added_to(result.attributes, parent_context, sent=result.decision is _KEEP)
        return SamplingResult(result.decision, enriched, result.trace_state)

    def get_description(self) -> str:
        """Return what it does, for logs."""
        return f"EnrichingSampler{{{self._inner.get_description()}}}"


class SpanEnricher(SpanProcessor):
    """Adds to the attributes of every span that starts.

    Args:
        resource: returns the provider's resource.
    """

    def __init__(self, resource: Callable[[], Resource]) -> None:
        self._enrichment = Enrichment(resource)

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Write the number and the ids. Called by the SDK."""
        try:
            sampled = span.get_span_context().trace_flags.sampled
            added = self._enrichment.added_to(None, parent_context, sent=sampled) or {}
            if len(added) == 1:
                ((key, value),) = added.items()
                span.set_attribute(key, value)  # half the price of set_attributes for one
            elif added:
                span.set_attributes(added)
        except Exception as fault:
            faults.report("number span", fault)

    def on_end(self, span: ReadableSpan) -> None:
        """Nothing to do. Called by the SDK."""
