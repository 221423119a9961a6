"""Tail sampling: which traces of a segment keep their raw rows, as a verdict that travels with the segment.

A trace is kept whole where one of its spans failed or was slow; of the others a share is kept, chosen by a hash of the
trace id, so that all spans of a trace and all collectors agree without memory. Only rows of `otel_traces` are sampled:
the typed tables have the rows of every span (`sql/views/sampling`).

A row that stands for others says so in SpanAttributes['sightline.sampling.weight']; without it a row counts once. The
sum of the weights is an unbiased count of the spans received.

Source: https://doi.org/10.1080/01621459.1952.10483446 (Horvitz and Thompson)
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources

from sightline_store import varint
from sightline_store.client import Client

_HASHES = 2**64
_SAMPLING_FIELD = 2046


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What decides on a trace.

    Attributes:
        share: of the traces that are neither failed nor slow, 0 to 1.
        slow_s: a span that takes so many seconds makes its trace slow.
        salt: goes into the hash; collectors with the same salt keep the same traces.
    """

    share: float
    slow_s: float
    salt: str

    @property
    def below(self) -> int:
        """A trace is chosen where its hash, an unsigned 64-bit integer, is less than this."""
        return min(int(self.share * _HASHES), _HASHES - 1)

    @property
    def weight(self) -> str:
        """How many traces one that was chosen stands for, as text; '1' where all are, or none."""
        return f"{1 / self.share:.16g}" if 0 < self.share < 1 else "1"


@dataclass(frozen=True)
class Verdict:
    """The decision on one segment.

    Attributes:
        message: goes behind the segment.
        sampled_out: how many of its spans go.
        late: how many of its spans came after the verdict on an earlier segment that held spans of their traces: an
            error among them, for example, could not keep those any more. 0 where the verdict was read from disk.
    """

    message: bytes
    sampled_out: int
    late: int = 0


def note_message(segment: str, rule: Rule) -> bytes:
    """What goes behind a segment for `ingest.note_traces`."""
    return _message(_text(1, segment), _number(2, round(rule.slow_s * 1e9)))


def keep_all() -> Verdict:
    """The verdict that samples nothing out."""
    return Verdict(_message(_number(5, _HASHES - 1), _text(6, "1")), 0)


def decide(client: Client, segment: str, since: str, decided: str, rule: Rule) -> Verdict | None:
    """The verdict on a segment by what is noted now; None where the segment itself was not noted.

    Asked again the answer may differ, since more may be noted by then: write it down before acting on it.

    Args:
        client: whom to ask.
        segment: name of the segment.
        since: notes of segments with names below this do not count.
        decided: segments with names below this had their verdict before this one was opened.
        rule: what decides.
    """
    params = {"segment": segment, "since": since, "decided": decided, "salt": rule.salt, "below": rule.below}
    question = resources.files("sightline_store.sql").joinpath("sampling_verdict.sql").read_text(encoding="utf-8")
    (row,) = client.query_rows(question, params)
    if not row["traces"]:
        return None
    whole = [_text(3, str(trace_id)) for trace_id in row["whole_traces"]]
    message = _message(*whole, _text(4, rule.salt), _number(5, rule.below), _text(6, rule.weight))
    return Verdict(message, int(row["sampled_out"]), int(row["late"]))


def _message(*fields: bytes) -> bytes:
    """A SampledTraceRequest of `sql/otlp_sampled.proto` that holds no spans."""
    return _bytes(_SAMPLING_FIELD, b"".join(fields))


def _text(number: int, text: str) -> bytes:
    return _bytes(number, text.encode())


def _bytes(number: int, data: bytes) -> bytes:
    return varint.encode(number << 3 | 2) + varint.encode(len(data)) + data


def _number(number: int, value: int) -> bytes:
    return varint.encode(number << 3) + varint.encode(value)
