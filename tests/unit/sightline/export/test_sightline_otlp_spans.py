"""Spans as protobuf bytes: what is written here says what the SDK's own encoder says, whatever is on a span."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace.span import TraceState

from sightline.export import otlp_spans
from sightline.export.ended_span import ended
from sightline.export.otlp_http import Answer, Verdict
from sightline.export.otlp_spans import SpanEncoder
from sightline.export.outbox import Outbox, Stats

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=200) | st.integers(0, 9000).map("ä".__mul__)
INTS = st.integers(-(1 << 63), (1 << 63) - 1) | st.integers(-300, 70_000)
_NONE = ReadableSpan("name", SpanContext(1, 2, is_remote=False), resource=Resource({}), attributes={"key": None})
SDK_WRITES_NONE = bool(encode_spans([_NONE]).resource_spans[0].scope_spans[0].spans[0].attributes)
"""Older SDKs leave out an attribute that holds None; newer ones write an empty value, as is done here."""
WRITES_NONE = pytest.mark.skipif(not SDK_WRITES_NONE, reason="an older SDK's encoder leaves out some values")
PLAIN = (
    (st.none() if SDK_WRITES_NONE else st.nothing())
    | st.booleans()
    | TEXTS
    | INTS
    | st.floats(allow_nan=False)
    | st.binary(max_size=300)
)
VALUES = st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXTS, inner, max_size=4))
KEYS = st.sampled_from(["a", "gen_ai.request.model", "k" * 130]) | st.text(
    st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40
)
ATTRIBUTES = st.dictionaries(KEYS, VALUES, max_size=8)
TIMES_NS = st.integers(0, (1 << 64) - 1)
COUNTS = st.sampled_from([0, 0, 1, 127, 128, 70_000, (1 << 32) - 1])
STATES = st.none() | st.just(TraceState()) | st.just(TraceState([("ot", "th:8"), ("vendor", "x=1")]))
CONTEXTS = st.builds(
    SpanContext,
    st.integers(1, (1 << 128) - 1),
    st.integers(1, (1 << 64) - 1),
    st.booleans(),
    st.just(TraceFlags(TraceFlags.SAMPLED)),
    STATES,
)
STATUSES = st.sampled_from([Status(), Status(StatusCode.OK)]) | st.builds(Status, st.just(StatusCode.ERROR), TEXTS)
EVENTS = st.builds(Event, TEXTS, ATTRIBUTES, TIMES_NS)
LINKS = st.builds(Link, CONTEXTS, ATTRIBUTES)
RESOURCES = st.builds(Resource, ATTRIBUTES, st.sampled_from(["", "https://opentelemetry.io/schemas/1.41.0"]))
SCOPES = st.none() | st.builds(
    InstrumentationScope, TEXTS, st.none() | TEXTS, st.none() | TEXTS, st.none() | ATTRIBUTES
)


def encoded_apart(scopes: list[InstrumentationScope | None]) -> bool:
    """Whether different scopes differ in bytes too; an absent and an empty name do not, and the SDK writes both."""
    first, last = scopes[0], scopes[-1]
    return first == last or otlp_spans._scope(first) != otlp_spans._scope(last)


@st.composite
def batches(draw: st.DrawFn) -> list[ReadableSpan]:
    """Spans of a few resources and scopes, in any order."""
    resources = draw(st.lists(RESOURCES, min_size=1, max_size=2))
    scopes = draw(st.lists(SCOPES, min_size=1, max_size=2).filter(encoded_apart))
    span = st.builds(
        ReadableSpan,
        TEXTS,
        CONTEXTS,
        parent=st.none() | CONTEXTS,
        resource=st.sampled_from(resources),
        attributes=st.none() | ATTRIBUTES,
        events=st.lists(EVENTS, max_size=2),
        links=st.lists(LINKS, max_size=2),
        kind=st.sampled_from(SpanKind),
        status=STATUSES,
        start_time=st.none() | TIMES_NS,
        end_time=st.none() | TIMES_NS,
        instrumentation_scope=st.sampled_from(scopes),
    )
    return draw(st.lists(span, max_size=6))


def parsed(body: bytes) -> ExportTraceServiceRequest:
    """Return a request; one with fields that the protocol does not know equals none without them."""
    return ExportTraceServiceRequest.FromString(body)


def span_of(**told: Any) -> ReadableSpan:
    """Return a span with what the test is about."""
    return ReadableSpan("name", SpanContext(1, 2, is_remote=False), resource=Resource({}), **told)


KEPT = SpanEncoder()
"""One for all examples: what it keeps from one batch must fit the next."""


def written(spans: Sequence[ReadableSpan], encoder: SpanEncoder = KEPT) -> ExportTraceServiceRequest:
    """Return what spans that have ended become."""
    return parsed(encoder(list(map(ended, spans))))


def attribute_of(value: object) -> Any:
    """Return how a value arrives as an attribute."""
    request = written([span_of(attributes={"key": value})], SpanEncoder())
    return request.resource_spans[0].scope_spans[0].spans[0].attributes[0].value


@WRITES_NONE
@given(batches())
def test_the_request_is_the_one_of_the_sdk(spans: list[ReadableSpan]) -> None:
    """Every attribute, event, link, status, trace state, flag, resource and scope arrives as the SDK sends it."""
    expected = encode_spans(spans)
    assert written(spans, SpanEncoder()) == expected
    assert written(spans) == expected


@WRITES_NONE
@given(COUNTS, COUNTS, COUNTS, ATTRIBUTES)
def test_counts_of_what_the_sdk_dropped(attributes: int, events: int, links: int, values: Mapping[str, Any]) -> None:
    """Counts of what limits cut from a span, an event or a link are written."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(
        resource=Resource({"service.name": "s"}),
        span_limits=SpanLimits(
            max_span_attributes=2, max_events=1, max_links=1, max_event_attributes=1, max_link_attributes=1
        ),
    )
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    context = SpanContext(1, 2, is_remote=True)
    with provider.get_tracer("t", "1", attributes={"a": 1}).start_as_current_span("x", attributes=values) as open_span:
        for number in range(3):
            open_span.set_attribute(f"n{number}", number)
            open_span.add_event("e", values)
            open_span.add_link(context, values)
    (span,) = exporter.get_finished_spans()
    # Counts as a long-lived span has them, without living that long.
    span._attributes.dropped, span._events.dropped, span._links.dropped = attributes, events, links  # type: ignore[union-attr, attr-defined]
    assert written([span]) == encode_spans([span])
    provider.shutdown()


def test_equal_resources_are_one() -> None:
    """Two objects that say the same are one resource in the request, as the SDK has it."""
    spans = [span_of(instrumentation_scope=InstrumentationScope("s", "1")) for _ in range(3)]
    request = written(spans)
    assert request == encode_spans(spans)
    assert len(request.resource_spans) == len(request.resource_spans[0].scope_spans) == 1


def test_numbers_and_booleans_stay_apart() -> None:
    """1, 1.0, True and "1" are equal or alike in Python, and four different things on the wire, one after the other."""
    for _ in range(2):
        kinds = [
            [pair.value.WhichOneof("value") for pair in span.attributes]
            for span in written([span_of(attributes={"k": value}) for value in (1, 1.0, True, "1", 0, 0.0, False)])
            .resource_spans[0]
            .scope_spans[0]
            .spans
        ]
        number = [["int_value"], ["double_value"], ["bool_value"]]
        assert kinds == [*number, ["string_value"], *number]


class Text(str):
    """A subclass of str."""

    __slots__ = ()


@pytest.mark.parametrize(
    "value", [Text("x" * 100), range(3), b"", (), {}, [[1, [2.5, [None] * SDK_WRITES_NONE]], {"a": ("b",)}]]
)
def test_unusual_values(value: Any) -> None:
    """Subclasses, sequences that are no lists, and empty ones are what the SDK makes of them."""
    spans = [span_of(attributes={"key": value})]
    assert written(spans) == encode_spans(spans)


def test_nan_is_kept() -> None:
    """Not a number is a number on the wire."""
    assert attribute_of(float("nan")).double_value != attribute_of(float("nan")).double_value


@pytest.mark.parametrize("value", [1 << 63, -(1 << 63) - 1, 10**300])
def test_whole_numbers_beyond_64_bits_become_text(value: int) -> None:
    """As the specification says; the SDK's encoder leaves the attribute out."""
    assert attribute_of(value).string_value == str(value)
    assert [each.string_value for each in attribute_of([value]).array_value.values] == [str(value)]


@pytest.mark.parametrize("length", [1, 100])
def test_half_surrogates_are_replaced(length: int) -> None:
    """A text that is no Unicode costs its broken character only, not the attribute, the span or the batch."""
    broken = "\ud83d" + "a" * length
    assert attribute_of(broken).string_value == "\ufffd" + "a" * length
    assert attribute_of("\ud83d\ude00" + "a" * length).string_value == "😀" + "a" * length
    told = span_of(attributes={broken: broken}, events=[Event(broken, {broken: [broken]}, 1)])
    told._name = broken
    span = written([told], SpanEncoder()).resource_spans[0].scope_spans[0].spans[0]
    assert span.name == span.events[0].name == span.attributes[0].key == "\ufffd" + "a" * length


def test_a_span_that_cannot_be_encoded_is_counted_and_costs_no_other(caplog: pytest.LogCaptureFixture) -> None:
    """A span with a value that OTLP has no place for is dropped, counted and logged; the rest of its batch is sent."""
    bodies: list[bytes] = []

    def send(body: bytes, timeout_s: float) -> Answer:
        bodies.append(body)
        return Answer(Verdict.SENT)

    outbox = Outbox("spans", SpanEncoder(), send, interval_s=0.01)
    for number in range(5):
        outbox.put(ended(span_of(attributes={"n": object() if number == 2 else number})))
    assert outbox.shutdown(10)
    spans = [span for body in bodies for item in parsed(body).resource_spans for span in item.scope_spans[0].spans]
    assert [span.attributes[0].value.int_value for span in spans] == [0, 1, 3, 4]
    assert outbox.stats() == Stats(emitted=5, exported=4, dropped=1, queued=0)
    assert "1 spans dropped: cannot be encoded (TypeError: an attribute cannot be a object)" in caplog.text


@given(st.dictionaries(TEXTS.filter(bool), st.just(object()) | VALUES, max_size=4))
def test_what_the_sdk_keeps_on_a_span_can_be_encoded(attributes: dict[str, Any]) -> None:
    """The SDK takes no attribute from an application that OTLP has no place for: no span is dropped for its values."""
    provider = TracerProvider(resource=Resource({}), shutdown_on_exit=False)
    span = provider.get_tracer("t").start_span("x", attributes=attributes)
    span.set_attributes(attributes)
    span.add_event("e", attributes)
    span.end()
    assert isinstance(span, ReadableSpan)
    written([span])
    provider.shutdown()


def test_what_is_kept_stays_small() -> None:
    """A process that never says the same twice keeps no more than one that does."""
    encoder = SpanEncoder()
    for begin in range(0, 6_000, 500):
        spans = [
            span_of(
                attributes={
                    f"key {begin + number}": f"value {number}",
                    f"n{begin + number}": begin,
                    "t": "x" * begin,
                    f"d{begin + number}": 0.5,
                }
            )
            for number in range(500)
        ]
        assert written(spans, encoder) == encode_spans(spans)
    kept = [each for each in vars(encoder._attributes).values() if isinstance(each, dict)]
    assert len(kept) == 4
    assert max(map(len, kept)) <= 4096
