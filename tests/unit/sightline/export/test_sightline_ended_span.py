"""What is kept of an ended span: the same from the SDK's fields and from its properties."""

from collections.abc import Mapping
from typing import Any

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, Span, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from sightline.export import ended_span
from sightline.export.ended_span import EndedSpan, ended

OTHER = SpanContext(1, 2, True, TraceFlags(TraceFlags.SAMPLED))


class Ended(SpanProcessor):
    """Keeps what the SDK hands over."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        """Keep the span. Called by the SDK."""
        self.spans.append(span)


def plain(span: Span) -> None:
    """Leave it as it starts."""


def full(span: Span) -> None:
    """Use everything, twice as often as the limits allow."""
    span.set_attributes({"text": "x", "list": [1, 2], "flag": True, "number": 1.5})
    for number in range(4):
        span.add_event(f"event {number}", {"n": number})
        span.add_link(OTHER, {"n": number})
    span.update_name("renamed")
    span.set_status(Status(StatusCode.ERROR, "broken"))


@pytest.mark.parametrize(
    "limits", [SpanLimits(), SpanLimits(2, 2, 2), SpanLimits(0, 0, 0)], ids=["many", "two", "none"]
)
@pytest.mark.parametrize("use", [plain, full])
def test_fields_hold_what_the_properties_return(use: Any, limits: SpanLimits) -> None:
    """The quick way to read the SDK's spans is right for the installed SDK, with what limits drop too."""
    kept = Ended()
    provider = TracerProvider(resource=Resource({"r": 1}), span_limits=limits, shutdown_on_exit=False)
    provider.add_span_processor(kept)
    tracer = provider.get_tracer("x", "1", "https://schema", {"scope": 1})
    with tracer.start_as_current_span("parent"), tracer.start_as_current_span("child", kind=SpanKind.CLIENT) as span:
        assert isinstance(span, Span)
        use(span)
    for each in kept.spans:
        record = ended_span._from_fields(each)
        assert record == ended_span._from_properties(each) == ended(each)
        assert isinstance(record.attributes, dict)
        assert (type(record.events), type(record.links)) == (tuple, tuple)


def test_record_does_not_change_with_the_span() -> None:
    """The attributes are a copy: nothing that others do to the span later is sent."""
    attributes = {"a": 1}
    record = ended(ReadableSpan("x", OTHER, attributes=attributes))
    attributes["a"] = 2
    assert record.attributes == {"a": 1}


def test_span_of_another_make_is_read_by_its_properties() -> None:
    """A processor before this one may hand on a span that shows other values than it holds."""

    class Masked(ReadableSpan):
        @property
        def attributes(self) -> Mapping[str, Any]:
            return {"text": "***"}

    assert ended(Masked("x", OTHER, attributes={"text": "secret"})).attributes == {"text": "***"}


def test_span_with_other_containers_is_read_by_its_properties() -> None:
    """Spans made by hand have plain lists, or nothing, where the SDK has containers that count what they drop."""
    resource, scope = Resource({"r": 1}), InstrumentationScope("x")
    event, link = Event("e", {"n": 1}, 5), Link(OTHER, {"n": 1})
    span = ReadableSpan(
        "x", OTHER, None, resource, {"a": 1}, [event], [link], start_time=3, end_time=4, instrumentation_scope=scope
    )
    assert ended(span) == EndedSpan(
        "x", OTHER, None, SpanKind.INTERNAL, 3, 4, {"a": 1}, (event,), (link,), span.status, resource, scope
    )
    assert ended(ReadableSpan("x", OTHER)).attributes == {}
