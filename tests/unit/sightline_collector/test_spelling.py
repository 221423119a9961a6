"""A request that the extension lets pass is one that protobuf gives back as it is; every outcome is as without it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import astuple
from unittest.mock import patch

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context
from otlp_spellings import KNOWN, REQUESTS, Speller, message, varint
from whole_requests import whole_requests

from sightline.export.ended_span import ended
from sightline.export.metrics import Histogram, HistogramPoint, Snapshot, Sum
from sightline.export.otlp_metrics import encode_snapshots
from sightline.export.otlp_scores import encode_scores
from sightline.export.otlp_spans import SpanEncoder
from sightline.scores import Score
from sightline_collector.errors import BadRequest
from sightline_collector.request import otlp, spelling
from sightline_collector.request.flat_types import request_types
from sightline_collector.request.redaction import Redactor
from sightline_collector.request.spelling import Spelling
from sightline_collector.settings import RedactionSettings
from sightline_store.ingest import Signal

pytestmark = pytest.mark.skipif(
    not spelling.is_compiled(), reason="the extension _sightline_spelling was not built: no C compiler at installation"
)
_TYPES = request_types()
_SPELLINGS = {signal: Spelling(types.flat) for signal, types in _TYPES.items()}
_WHOLE = {signal: request.SerializeToString() for signal, request in whole_requests()}
_SIGNALS = st.sampled_from(Signal)
_REDACTOR = Redactor(RedactionSettings(masks=("email", "ip"), drop_keys=("*operation*",)))


def _outcome(signal: Signal, body: bytes, tenant: str = "", redactor: Redactor | None = None) -> object:
    try:
        return astuple(otlp.check(signal, body, tenant=tenant, redactor=redactor))
    except BadRequest as exc:
        return str(exc)


def _agree(signal: Signal, body: bytes) -> bool:
    """Whether a body got a yes.

    That is checked to be so exactly for flat bodies that go on as they came, and to change no outcome.
    """
    is_own = _SPELLINGS[signal].is_own(body)
    for asked in (("", None), ("acme", None), ("", _REDACTOR), ("acme", _REDACTOR)):
        with patch.object(spelling, "_is_own", None):
            expected = _outcome(signal, body, *asked)
        if asked == ("", None):
            goes_on = isinstance(expected, tuple) and expected[0] is body
            assert is_own is (goes_on and _TYPES[signal].is_flat(body))
        if is_own:  # Else both are the same way.
            assert _outcome(signal, body, *asked) == expected
    return is_own


def _spooled(signal: Signal, seed: int) -> bytes:
    """A flat request in protobuf's own spelling, by a seed: as one of any spelling is spooled."""
    with patch.object(spelling, "_is_own", None):
        for attempt in range(seed, seed + 100):
            with suppress(BadRequest):
                payload = otlp.check(signal, Speller(attempt).request(signal)).payload
                if _TYPES[signal].is_flat(payload):  # Fields of profiles are not left out.
                    return payload
    raise AssertionError("none of a hundred requests is one")


@pytest.mark.parametrize("signal", Signal)
def test_request_with_each_field_of_otlp_gets_a_yes(signal: Signal) -> None:
    """Also the empty one."""
    assert _agree(signal, _WHOLE[signal])
    assert _agree(signal, b"")


def test_requests_of_encoders_get_a_yes() -> None:
    """Spans with events, links and errors, metrics of each kind and log records of the SDK; spans of the library."""
    spans, logs, metrics = InMemorySpanExporter(), InMemoryLogRecordExporter(), InMemoryMetricReader()
    tracers = TracerProvider(shutdown_on_exit=False)
    tracers.add_span_processor(SimpleSpanProcessor(spans))
    tracer = tracers.get_tracer("t", "1", "https://example.org/schema")
    with tracer.start_as_current_span("outer", attributes={"n": -1, "tags": ["a", "é"], "x": 0.0, "b": False}) as outer:
        outer.add_event("event", {"k": "v"})
        with tracer.start_as_current_span("inner") as inner:
            inner.add_link(outer.get_span_context(), {"k": 1})
            inner.record_exception(ValueError("no"))
    loggers = LoggerProvider(shutdown_on_exit=False)
    loggers.add_log_record_processor(SimpleLogRecordProcessor(logs))
    loggers.get_logger("t").emit(body="text", attributes={"k": 2}, event_name="event")
    meters = MeterProvider([metrics], shutdown_on_exit=False)
    meter = meters.get_meter("t")
    meter.create_counter("c").add(1, {"k": "v"})
    meter.create_up_down_counter("u").add(-1)
    meter.create_histogram("h").record(0.5)
    meter.create_gauge("g").set(2.5)
    data = metrics.get_metrics_data()
    assert data is not None
    assert _agree(Signal.TRACES, SpanEncoder()([ended(span) for span in spans.get_finished_spans()]))
    requests = {
        Signal.TRACES: encode_spans(spans.get_finished_spans()),
        Signal.LOGS: encode_logs(logs.get_finished_logs()),
        Signal.METRICS: encode_metrics(data),
    }
    for signal, request in requests.items():
        assert _agree(signal, request.SerializeToString()), signal
    for provider in (tracers, loggers, meters):
        provider.shutdown()


def test_reports_and_scores_of_the_library_get_a_yes() -> None:
    """As its spans above: what it sends need not be written anew."""
    resource = Resource({"service.name": "s"}, "https://opentelemetry.io/schemas/1.41.0")
    histogram = Histogram("h", "s", (0.5,), {(("k", "v"),): HistogramPoint([1, 2], 0.5, 0.1, 2.0)})
    snapshot = Snapshot(1, 2, False, (histogram,), (Sum("n", "1", True, {(): 3}),))
    assert _agree(Signal.METRICS, encode_snapshots([snapshot], resource))
    context = SpanContext(1, 2, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
    score = Score({"gen_ai.evaluation.name": "n"}, set_span_in_context(NonRecordingSpan(context)), 3)
    assert _agree(Signal.LOGS, encode_scores([score], resource))


@given(_SIGNALS, st.integers(0, 2**32))
def test_what_is_spooled_gets_a_yes(signal: Signal, seed: int) -> None:
    """Whatever was sent, what the way without the extension makes of it is flat and in protobuf's own spelling."""
    assert _agree(signal, _spooled(signal, seed))


@given(_SIGNALS, st.integers(0, 2**32))
def test_odd_spellings_have_the_outcome_that_they_have_without_it(signal: Signal, seed: int) -> None:
    """Fields twice, out of order, unknown, of another wire type, in longer varints, nested, not UTF-8."""
    _agree(signal, Speller(seed).request(signal))


@pytest.mark.parametrize("name", KNOWN)
def test_known_odd_spellings_have_the_outcome_that_they_have_without_it(name: str) -> None:
    """Those that were found to be read in two ways, and their harmless neighbours."""
    signal, body = KNOWN[name]
    _agree(Signal(signal), body)


_PLACES = st.floats(0, 1, exclude_max=True)
_EDITS = st.one_of(
    st.tuples(st.just("flip"), _PLACES, st.integers(0, 7).map(lambda bit: bytes([1 << bit]))),
    st.tuples(st.just("insert"), _PLACES, st.binary(min_size=1, max_size=6)),
    st.tuples(st.just("insert"), _PLACES, st.integers(0, 2**64 - 1).map(varint)),
    st.tuples(st.just("delete"), _PLACES, st.binary(min_size=1, max_size=6)),
    st.tuples(st.just("cut"), _PLACES, st.just(b"")),
    st.tuples(st.just("again"), _PLACES, st.binary(min_size=1, max_size=40)),
)


def _edited(body: bytes, kind: str, place: float, piece: bytes) -> bytes:
    at = int(place * (len(body) + 1))
    if kind == "flip":
        return body[:at] + bytes(a ^ b for a, b in zip(body[at : at + 1], piece, strict=False)) + body[at + 1 :]
    if kind == "insert":
        return body[:at] + piece + body[at:]
    if kind == "cut":
        return body[:at]
    if kind == "delete":
        return body[:at] + body[at + len(piece) :]
    return body[:at] + body[at : at + len(piece)] + body[at:]


@given(_SIGNALS, st.integers(0, 2**32), st.lists(_EDITS, min_size=1, max_size=3))
def test_damaged_requests_have_the_outcome_that_they_have_without_it(
    signal: Signal, seed: int, edits: list[tuple[str, float, bytes]]
) -> None:
    """Bits flipped, bytes put in, left out and repeated, ends cut off, of requests that would get a yes."""
    body = _spooled(signal, seed)
    for edit in edits:
        body = _edited(body, *edit)
    _agree(signal, body)


def _in_a_field(content: bytes) -> Iterator[tuple[Signal, bytes]]:
    """Requests with some bytes as the content of a resource's first field, its key, its value and a span's name."""
    yield Signal.TRACES, message(1, message(1, content))
    yield Signal.LOGS, message(1, message(1, message(1, message(1, content))))
    yield Signal.METRICS, message(1, message(1, message(1, message(1, b"k"), message(2, content))))
    yield Signal.TRACES, message(1, message(2, message(2, message(5, content))))


@given(st.one_of(st.binary(max_size=30), st.text(max_size=20).map(lambda text: text.encode("utf-8", "surrogatepass"))))
@example(b"\xed\x9f\xbf\xee\x80\x80\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf")
@example(b"\xed\xa0\x80")
@example(b"\xf4\x90\x80\x80")
@example(b"\xc1\xbf")
@example(b"\xe0\x9f\xbf")
@example(b"\xf0\x8f\xbf\xbf")
@example(b"\xf0\x90\x80A")
@example(b"\xf0\x90A\x80")
@example(b"\xe2\x82A")
@example(b"\xc3A")
@example(b"12345678\xff")
@example(b"1234567\xc3\xa9")
@example(b"1234567\xc3")
def test_texts_are_utf8_or_get_no_yes(text: bytes) -> None:
    """By Python's own decoder, and any bytes in the place of a message."""
    try:
        text.decode()
        is_utf8 = True
    except UnicodeDecodeError:
        is_utf8 = False
    own = [_agree(signal, body) for signal, body in _in_a_field(text)]
    assert own[-1] is (is_utf8 and bool(text))


def _span(*fields: bytes) -> tuple[Signal, bytes]:
    return Signal.TRACES, message(1, message(2, message(2, *fields)))


def _point(*fields: bytes) -> tuple[Signal, bytes]:
    return Signal.METRICS, message(1, message(2, message(2, message(9, message(1, *fields)))))


_EXEMPLAR = message(8, message(7, message(1, b"k")))
_NUMBERS = {
    "kind_of_33_bits": _span(varint(6 << 3) + varint(2**32 + 3)),
    "kind_below_32_bits": _span(varint(6 << 3) + varint(2**64 - 2**31 - 1)),
    "value_of_65_bits": _span(message(9, message(1, b"k"), message(2, varint(3 << 3) + b"\xff" * 9 + b"\x02"))),
    "value_of_71_bits": _span(message(9, message(1, b"k"), message(2, varint(3 << 3) + b"\xff" * 10 + b"\x01"))),
    "flags_of_33_bits": _point(varint(10 << 3) + varint(2**32)),
    "sum_of_seven_bytes": _point(varint(5 << 3 | 1) + b"1234567"),
    "no_counts": _point(message(6), _EXEMPLAR),
    "counts_of_seven_bytes": _point(message(6, b"1234567"), _EXEMPLAR),
    "bounds_of_nine_bytes": _point(message(7, b"123456789"), _EXEMPLAR),
}


@pytest.mark.parametrize("name", _NUMBERS)
def test_numbers_in_too_few_or_too_many_bytes_get_no_yes(name: str) -> None:
    """What protobuf refuses, leaves out, or cuts to the width of the field."""
    assert not _agree(*_NUMBERS[name])


@pytest.mark.parametrize("length", [1, 127, 128, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**64 - 1])
def test_lengths_beyond_the_end_get_no_yes(length: int) -> None:
    """At the first level and deeper, with all that a pointer could overflow by."""
    for wire in (b"\x0a", b"\x0a\x0b\x12", b"\x0a\x0d\x0a\x0b\x0a"):
        for end in (b"", b"\0", b"\0" * 9):
            if len(end) < length:
                assert not _agree(Signal.TRACES, wire + varint(length) + end)


@pytest.mark.parametrize("signal", Signal)
def test_every_beginning_of_a_request_has_the_outcome_that_it_has_without_it(signal: Signal) -> None:
    """Cut at each byte: nothing behind the end is taken for a part of it."""
    body = _WHOLE[signal]
    assert sum(_agree(signal, body[:end]) for end in range(len(body))) < 5


@pytest.mark.parametrize("depth", [1, 2, 10, 17, 120, 3000])
def test_nesting_gets_no_yes(depth: int) -> None:
    """Arrays in arrays, as deep as can be, in a value and where nothing is known: only a flat array gets one."""
    value = b""
    for _ in range(depth):
        value = message(5, message(1, value))
    attribute = message(1, message(1, b"k"), message(2, value))
    assert _agree(Signal.METRICS, message(1, message(1, attribute))) is (depth == 1)
    assert not _agree(Signal.METRICS, message(1, message(17, value)))


@given(_SIGNALS, st.integers(0, 2**32), st.integers(1, 40))
def test_unknown_fields_get_no_yes_wherever_they_stand(signal: Signal, seed: int, number: int) -> None:
    """Fields that OTLP does not name, at the end of any message of a request."""
    whole = REQUESTS[signal].FromString(_spooled(signal, seed))
    found = [whole]
    for each in found:
        for field, value in each.ListFields():
            if field.message_type is not None:
                found += value if field.is_repeated else [value]
    target = found[seed % len(found)]
    if number not in target.DESCRIPTOR.fields_by_number:
        target.MergeFromString(varint(number << 3) + b"\1")
        body = whole.SerializeToString()
        assert not _SPELLINGS[signal].is_own(body)


def test_only_a_table_is_gone_by() -> None:
    """A table that would lead out of itself is refused, and only bytes are looked at."""
    walk = spelling._is_own
    assert walk is not None
    table = _SPELLINGS[Signal.TRACES].table
    for wrong in (b"", table[:-1], table + b"\0", b"\x0a\0\0\0" * 32, b"\1\0\0\1" * 32, b"\1\0\x20\0" * 32):
        with pytest.raises(ValueError, match="not a table"):
            walk(wrong, b"")
    for argument in (bytearray(b""), memoryview(b""), "", None):
        with pytest.raises(TypeError):
            walk(table, argument)  # type: ignore[arg-type]


def test_a_table_that_leads_into_itself_ends() -> None:
    """Nesting is bounded by the walk too, not only by the types."""
    walk = spelling._is_own
    assert walk is not None
    table, body = b"\0\0\0\0" + b"\1\0\0\0" * 31, b""
    answers = []
    for _ in range(40):
        answers.append(walk(table, body))
        body = message(1, body)
    assert answers == [True] * 16 + [False] * 24
