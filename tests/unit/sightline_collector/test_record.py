"""The record format: what is written is read back, and what is torn or changed is not."""

from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st

from sightline_collector.spool import record
from sightline_store.ingest import Signal

payloads = st.lists(st.binary(min_size=0, max_size=300), max_size=8)


@given(payloads)
def test_records_read_back_as_written(given_payloads: list[bytes]) -> None:
    """Every payload comes back, in order, and the records cover the file."""
    data = b"".join(record.encode(payload) for payload in given_payloads)
    records = list(record.read_records(io.BytesIO(data)))
    assert [entry.payload for entry in records] == given_payloads
    assert (records[-1].end if records else 0) == len(data)


@given(payloads.filter(bool), st.data())
def test_torn_tail_ends_the_reading(given_payloads: list[bytes], data: st.DataObject) -> None:
    """Cut anywhere, the whole records before the cut come back and nothing else."""
    whole = b"".join(record.encode(payload) for payload in given_payloads)
    cut = data.draw(st.integers(0, len(whole) - 1))
    records = list(record.read_records(io.BytesIO(whole[:cut])))
    assert [entry.payload for entry in records] == given_payloads[: len(records)]
    assert len(records) < len(given_payloads)
    assert all(entry.end <= cut for entry in records)


@given(st.binary(min_size=1, max_size=200), st.data())
def test_changed_byte_is_noticed(payload: bytes, data: st.DataObject) -> None:
    """One changed bit in payload or checksum, and the record is not read as it was."""
    whole = bytearray(record.encode(payload))
    at = data.draw(st.integers(2 if len(whole) > 129 else 1, len(whole) - 1))
    whole[at] ^= 1 << data.draw(st.integers(0, 7))
    assert [entry.payload for entry in record.read_records(io.BytesIO(bytes(whole)))] != [payload]


def test_checksum_rides_as_an_unknown_protobuf_field() -> None:
    """A segment's message parses as plain OTLP, whose fields are unchanged."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    request = ExportTraceServiceRequest()
    request.resource_spans.add().schema_url = "here"
    encoded = record.encode(request.SerializeToString())
    parsed = ExportTraceServiceRequest.FromString(encoded[1:])
    assert parsed.resource_spans[0].schema_url == "here"


def test_length_beyond_the_file_is_not_read() -> None:
    """A torn length may name 32 GiB: they are not asked for, so that a start after a power cut needs no memory."""

    class _File(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            assert size is not None
            assert 0 <= size < 1000
            return super().read(size)

    file = _File(record.encode(b"whole") + b"\xff\xff\xff\xff\x7f" + bytes(50))
    assert [entry.payload for entry in record.read_records(file)] == [b"whole"]


def test_same_bytes_of_two_signals_are_two_requests() -> None:
    """A request of empty items looks alike as traces and as logs; one is no repetition of the other."""
    assert record.digest(Signal.TRACES, b"same") != record.digest(Signal.LOGS, b"same")
