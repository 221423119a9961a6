"""What is taken out of requests, wherever it stands, and that all else stays."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from sightline_collector.errors import BadRequest
from sightline_collector.request import otlp
from sightline_collector.request.redaction import Redactor
from sightline_collector.settings import RedactionSettings
from sightline_store.ingest import Signal

METRICS: Any = "metrics"
HASH_KEY = "0123456789abcdef"
MAIL = "ann@example.org"
SECRET = b"ann@"


_REQUESTS: dict[str, Any] = {
    "traces": ExportTraceServiceRequest,
    "logs": ExportLogsServiceRequest,
    "metrics": ExportMetricsServiceRequest,
}


def _apply(redactor: Redactor, signal: Signal, body: bytes) -> bytes:
    """A request redacted as `otlp.check` does it, nested values still nested."""
    request = _REQUESTS[signal].FromString(body)
    request.DiscardUnknownFields()
    redactor.redact(signal, body, lambda: request)
    return bytes(request.SerializeToString())


def _hash(text: str) -> str:
    return hmac.new(HASH_KEY.encode(), text.encode(), hashlib.sha256).hexdigest()[:16]


def _put(attributes: Any, key: str = "note") -> None:
    """Add a plain, a listed, a nested and a bytes attribute that hold an address."""
    attributes.add(key=key).value.string_value = f"to {MAIL}"
    attributes.add(key=f"{key}.list").value.array_value.values.add().string_value = MAIL
    inner = attributes.add(key=f"{key}.map").value.kvlist_value.values.add(key="deep").value.array_value.values.add()
    inner.kvlist_value.values.add(key="mail").value.string_value = MAIL
    attributes.add(key=f"{key}.bytes").value.bytes_value = b"\xff" + MAIL.encode()
    attributes.add(key="kept").value.int_value = 7


def _traces() -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    holder = request.resource_spans.add()
    _put(holder.resource.attributes)
    scope = holder.scope_spans.add()
    _put(scope.scope.attributes)
    scope.spans.add(name="untouched", span_id=b"12345678")
    span = scope.spans.add(name=f"mail {MAIL}", span_id=b"12345679")
    span.status.message = f"cannot reach {MAIL}"
    _put(span.attributes)
    _put(span.events.add(name=f"sent to {MAIL}").attributes)
    _put(span.links.add().attributes)
    return request


def _logs() -> ExportLogsServiceRequest:
    request = ExportLogsServiceRequest()
    holder = request.resource_logs.add()
    _put(holder.resource.attributes)
    scope = holder.scope_logs.add()
    _put(scope.scope.attributes)
    record = scope.log_records.add()
    _put(record.attributes)
    _put(record.body.kvlist_value.values)
    scope.log_records.add().body.string_value = MAIL
    return request


def _metrics() -> ExportMetricsServiceRequest:
    request = ExportMetricsServiceRequest()
    holder = request.resource_metrics.add()
    _put(holder.resource.attributes)
    scope = holder.scope_metrics.add()
    _put(scope.scope.attributes)
    for kind in ("gauge", "sum", "histogram", "exponential_histogram", "summary"):
        metric = scope.metrics.add(name=kind)
        _put(metric.metadata)
        point = getattr(metric, kind).data_points.add()
        _put(point.attributes)
        if kind != "summary":
            _put(point.exemplars.add().filtered_attributes)
    scope.metrics.add(name="none")
    return request


REQUESTS = [
    pytest.param(Signal.TRACES, _traces, id="traces"),
    pytest.param(Signal.LOGS, _logs, id="logs"),
    pytest.param(METRICS, _metrics, id="metrics"),
]


def _redactor(**changed: Any) -> Redactor:
    return Redactor(RedactionSettings(**changed))


def test_nothing_is_taken_out_by_default() -> None:
    """Without settings there is no redactor."""
    assert Redactor.from_settings(RedactionSettings.from_env({})) is None


@pytest.mark.parametrize(("signal", "make"), REQUESTS)
def test_masks_reach_every_text(signal: Any, make: Any) -> None:
    """No address is left anywhere, the rest is there, and a second time changes nothing."""
    request = make()
    body = request.SerializeToString()
    count = body.count(SECRET)
    redactor = _redactor(masks=("email",))
    out = _apply(redactor, signal, body)
    assert SECRET not in out
    assert out.count(b"[redacted:email]") == count
    assert _apply(redactor, signal, out) == out
    text = str(type(request).FromString(out))
    assert text.replace("[redacted:email]", MAIL) == str(request)


@pytest.mark.parametrize(("signal", "make"), REQUESTS)
@pytest.mark.parametrize("glob", ["note*", "NOTE*", "*ote*", "no?e*", "[mn]ote*"])
def test_dropped_keys_are_gone_everywhere(signal: Any, make: Any, glob: str) -> None:
    """Attributes whose key matches are gone, whatever their value; others are not."""
    request = make()
    out = _apply(_redactor(drop_keys=(glob,)), signal, request.SerializeToString())
    assert b"note" not in out
    assert out.count(b"kept") == request.SerializeToString().count(b"kept")


@pytest.mark.parametrize("glob", ["mail", "note.map.deep.mail", "*.mail", "note.*.mail"])
def test_nested_keys_match_by_name_and_by_path(glob: str) -> None:
    """A key inside a value is found by itself and by the dotted way to it."""
    request = _traces()
    out = ExportTraceServiceRequest.FromString(
        _apply(_redactor(drop_keys=(glob,)), Signal.TRACES, request.SerializeToString())
    )
    span = out.resource_spans[0].scope_spans[0].spans[1]
    nested = {one.key: one.value for one in span.attributes}["note.map"].kvlist_value.values[0]
    assert nested.key == "deep"
    assert not nested.value.array_value.values[0].kvlist_value.values


def test_hashed_values_stay_joinable() -> None:
    """Equal values have equal hashes, as text or number, plain or in a list; without the key nobody can make them."""
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add()
    span.attributes.add(key="user.id").value.string_value = "42"
    span.attributes.add(key="enduser.id").value.int_value = 42
    span.attributes.add(key="user.admin").value.bool_value = True
    span.attributes.add(key="user.ids").value.array_value.values.add().string_value = "42"
    span.attributes.add(key="user.map").value.kvlist_value.values.add(key="id").value.bytes_value = b"42"
    span.attributes.add(key="user.none").value.SetInParent()
    span.attributes.add(key="model").value.string_value = "42"
    redactor = _redactor(hash_keys=("user.*", "enduser.id"), hash_key=HASH_KEY)
    out = ExportTraceServiceRequest.FromString(_apply(redactor, Signal.TRACES, request.SerializeToString()))
    values = {one.key: one.value for one in out.resource_spans[0].scope_spans[0].spans[0].attributes}
    assert values["user.id"].string_value == values["enduser.id"].string_value == _hash("42")
    assert values["user.ids"].array_value.values[0].string_value == _hash("42")
    assert values["user.map"].kvlist_value.values[0].value.string_value == _hash("42")
    assert values["user.admin"].string_value == _hash("true")
    assert values["user.none"].WhichOneof("value") is None
    assert values["model"].string_value == "42"


def test_dropping_wins_over_hashing_and_hashing_over_masks() -> None:
    """A key in both lists is dropped; a hashed value is not masked on top."""
    request = ExportTraceServiceRequest()
    attributes = request.resource_spans.add().resource.attributes
    attributes.add(key="a.mail").value.string_value = MAIL
    attributes.add(key="b.mail").value.string_value = MAIL
    redactor = _redactor(drop_keys=("a.*",), hash_keys=("*.mail",), hash_key=HASH_KEY, masks=("email",))
    out = ExportTraceServiceRequest.FromString(_apply(redactor, Signal.TRACES, request.SerializeToString()))
    (left,) = out.resource_spans[0].resource.attributes
    assert (left.key, left.value.string_value) == ("b.mail", _hash(MAIL))


def test_whole_number_that_is_a_card_is_masked() -> None:
    """A card's number is one in an integer, too; a time in nanoseconds is none."""
    request = ExportTraceServiceRequest()
    attributes = request.resource_spans.add().scope_spans.add().spans.add().attributes
    attributes.add(key="a").value.int_value = 4111111111111111
    attributes.add(key="b").value.int_value = 1795451438600176049
    out = ExportTraceServiceRequest.FromString(
        _apply(_redactor(masks=("card",)), Signal.TRACES, request.SerializeToString())
    )
    card, time_ns = out.resource_spans[0].scope_spans[0].spans[0].attributes
    assert card.value.string_value == "[redacted:card]"
    assert time_ns.value.int_value == 1795451438600176049


@pytest.mark.parametrize("changed", [{"masks": ("email",)}, {"drop_keys": ("secret",)}])
def test_fields_that_are_not_known_hide_nothing(changed: Any) -> None:
    """What OTLP does not name, and what is written twice, does not carry a secret to the disk."""
    attribute = b"\x0a\x06secret\x12\x11\x0a\x0fann@example.org"
    twice = attribute + b"\x12\x03\x0a\x01x"  # The value once more: readers see the last.
    unknown = b"\xca\x3e" + bytes([len(attribute)]) + attribute
    span = b"\x4a" + bytes([len(twice)]) + twice + unknown
    scope = b"\x12" + bytes([len(span)]) + span + unknown
    resource = b"\x12" + bytes([len(scope)]) + scope
    body = b"\x0a" + bytes([len(resource)]) + resource + unknown
    assert len(body) < 256
    ExportTraceServiceRequest.FromString(body)
    assert SECRET not in _apply(_redactor(**changed), Signal.TRACES, body)


def test_tag_or_length_in_more_bytes_hides_nothing() -> None:
    """Protobuf also reads numbers that have more bytes than they need: hints see them as protobuf writes them."""
    number = 4111111111111111
    plain = ExportTraceServiceRequest()
    span = plain.resource_spans.add().scope_spans.add().spans.add(name="a")
    span.attributes.add(key="card").value.int_value = number
    value = span.attributes[0].value.SerializeToString()
    assert value[0] == 0x18
    longer = b"\x98\x00" + value[1:]
    attribute = b"\x0a\x04card\x12" + bytes([len(longer)]) + longer
    body = _wrapped(b"\x2a\x01a\x4a" + bytes([len(attribute)]) + attribute)
    assert ExportTraceServiceRequest.FromString(body) == plain
    checked = otlp.check(Signal.TRACES, body, redactor=Redactor(RedactionSettings(masks=("card",))))
    (masked,) = ExportTraceServiceRequest.FromString(checked.payload).resource_spans[0].scope_spans[0].spans
    assert masked.attributes[0].value.string_value == "[redacted:card]"


def _wrapped(span: bytes) -> bytes:
    """A request that holds one serialized span."""
    for field in (2, 2, 1):  # spans, scope_spans, resource_spans
        span = bytes([field << 3 | 2, len(span)]) + span
    return span


@pytest.mark.parametrize(
    ("glob", "key"), [("*secret*", "\u017fecret"), ("*key", "\u212aey"), ("stra\u00dfe", "stra\u00dfe")]
)
def test_keys_match_alike_with_and_without_hints(glob: str, key: str) -> None:
    """Letters outside of ASCII match themselves alone, whatever else the request holds."""
    redactor = Redactor(RedactionSettings(drop_keys=(glob,)))
    for other in ("nothing", "secretkey"):
        request = ExportTraceServiceRequest()
        span = request.resource_spans.add().scope_spans.add().spans.add(name=other)
        span.attributes.add(key=key).value.string_value = "x"
        checked = otlp.check(Signal.TRACES, request.SerializeToString(), redactor=redactor)
        (kept,) = ExportTraceServiceRequest.FromString(checked.payload).resource_spans[0].scope_spans[0].spans
        assert len(kept.attributes) == (0 if glob == key else 1)


def test_what_holds_nothing_goes_on_as_it_came() -> None:
    """A request without a hint is the same object: nothing was read."""
    request = ExportTraceServiceRequest()
    request.resource_spans.add().scope_spans.add().spans.add(name="quiet").attributes.add(key="model")
    body = request.SerializeToString()
    redactor = _redactor(masks=("email", "card"), drop_keys=("http.request.header.*",))
    assert redactor.redact(Signal.TRACES, body, lambda: pytest.fail("it was read")) is None
    assert otlp.check(Signal.TRACES, body, redactor=redactor).payload is body


_texts = st.sampled_from(["", "quiet", MAIL, f"x {MAIL} y", "4111 1111 1111 1111", "a@b", "user"])


@given(st.lists(st.tuples(st.sampled_from(["user.id", "note", "user", "a.b"]), _texts), max_size=6), _texts)
def test_hints_change_no_result(pairs: list[tuple[str, str]], name: str) -> None:
    """Reading only what has a hint gives what reading everything gives."""
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add(name=name)
    for key, text in pairs:
        span.attributes.add(key=key).value.string_value = text
    body = request.SerializeToString()
    changed: dict[str, Any] = {"masks": ("email", "card"), "hash_keys": ("user.*",), "hash_key": HASH_KEY}
    # A glob without words has no hint, so that everything is read; this one matches no key.
    everything = _redactor(**changed, drop_keys=("[!a-z]",))
    assert _apply(_redactor(**changed), Signal.TRACES, body) == _apply(everything, Signal.TRACES, body)


@pytest.mark.parametrize("body", [b"\x0a\x7f@b.com", b"\x0a\x0b\x12\x09\x12\x07\xff\xffa@b.cc"])
def test_what_is_no_request_is_refused(body: bytes) -> None:
    """Bytes that are not the message are the client's fault: 400."""
    with pytest.raises(BadRequest) as refused:
        otlp.check(Signal.TRACES, body, redactor=_redactor(masks=("email",)))
    assert refused.value.status == 400


@pytest.mark.parametrize(
    ("env", "named"),
    [
        ({"MASKS": "email,shoe_size"}, "MASKS"),
        ({"HASH_KEYS": "user.*"}, "HASH_KEY"),
        ({"HASH_KEYS": "user.*", "HASH_KEY": "short"}, "HASH_KEY"),
        ({"WINDOW_CHARS": "10"}, "WINDOW_CHARS"),
    ],
)
def test_bad_settings_name_the_variable(env: dict[str, str], named: str) -> None:
    """What cannot work is refused with the variable's name, and never with the secret."""
    with pytest.raises(ValueError, match=f"SIGHTLINE_COLLECTOR_REDACT_{named}") as refused:
        RedactionSettings.from_env({f"SIGHTLINE_COLLECTOR_REDACT_{name}": value for name, value in env.items()})
    assert "short" not in str(refused.value)


def test_settings_are_read_and_hide_the_key() -> None:
    """Lists are split and stripped; the hash key is not in what is logged of the settings."""
    settings = RedactionSettings.from_env(
        {
            "SIGHTLINE_COLLECTOR_REDACT_DROP_KEYS": " http.request.header.*, ,password ",
            "SIGHTLINE_COLLECTOR_REDACT_HASH_KEYS": "user.id",
            "SIGHTLINE_COLLECTOR_REDACT_HASH_KEY": HASH_KEY,
            "SIGHTLINE_COLLECTOR_REDACT_MASKS": "Email",
        }
    )
    assert settings.drop_keys == ("http.request.header.*", "password")
    assert settings.masks == ("email",)
    assert HASH_KEY not in repr(settings)
