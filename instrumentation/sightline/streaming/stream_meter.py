"""The account of one stream, written onto its span: first content, stalls, chunk counts, usage, text.

Times: the first content counts from the start of the call; the waits between chunks are those of the consumer inside a
step, so a slow consumer does not look like a slow producer.
"""

import math
import time
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.trace import Status, StatusCode

from sightline import faults, semconv
from sightline.capture.mode import Capture
from sightline.capture.values import MASK_MARGIN_CHARS
from sightline.forks import IMPORT_LOCK
from sightline.runtime import runtime
from sightline.spans import OpenSpan

if TYPE_CHECKING:
    from sightline.streaming.chunks import ChunkReader

_MAX_WAITS: Final = 4096
_perf_counter: Final = time.perf_counter


class StreamMeter:
    """Counts and times the items of one stream and writes them onto its span when it ends."""

    __slots__ = (
        "_chunk_count",
        "_content_count",
        "_first_content_s",
        "_longest_wait_s",
        "_open_span",
        "_reader",
        "_stride",
        "_text_chars",
        "_text_limit_chars",
        "_text_parts",
        "_waits",
        "ended",
    )

    def __init__(self, open_span: OpenSpan) -> None:
        self._open_span = open_span
        self._chunk_count = 0
        self._text_chars = 0
        self._content_count = 0
        self._first_content_s: float | None = None
        self._longest_wait_s = 0.0
        self._waits: list[float] = []
        self._stride = 1
        self._reader: ChunkReader | None = None  # of chunks that are no strings
        self._text_parts: list[str] | None = [] if open_span.policy.content else None
        self._text_limit_chars = open_span.policy.limit_chars + MASK_MARGIN_CHARS
        self.ended = False

    def item(self, item: object, requested_s: float) -> None:
        """Count an item that was requested at ``requested_s`` (``perf_counter``) and has just arrived."""
        now = _perf_counter()
        count = self._chunk_count
        self._chunk_count = count + 1
        if count:
            wait = now - requested_s
            self._longest_wait_s = max(self._longest_wait_s, wait)
            if count % self._stride == 0:
                self._waits.append(wait)
                if len(self._waits) >= _MAX_WAITS:
                    # Long streams keep every 2nd, 4th, ... wait: quantiles stay, memory does not grow.
                    del self._waits[::2]
                    self._stride *= 2
        # Strings are by far the most frequent items: no call for them.
        if type(item) is str:
            if not item:
                return
            text: str | None = item
        else:
            try:
                reader = self._reader or self._make_reader()
                if not reader.is_content(item):
                    return
                text = reader.account.text
            except Exception as fault:
                faults.report("read chunk", fault)
                return
        self._content_count += 1
        if self._first_content_s is None:
            self._first_content_s = now - self._open_span.started_s
        if text is not None:
            if self._text_parts is not None and self._text_chars < self._text_limit_chars:
                self._text_parts.append(text)
            self._text_chars += len(text)

    def _make_reader(self) -> "ChunkReader":
        with IMPORT_LOCK:
            from sightline.streaming.chunks import ChunkReader  # noqa: PLC0415  imported where chunks are no strings

        self._reader = reader = ChunkReader()
        return reader

    def finish(self, outcome: str, error: BaseException | None = None) -> None:
        """Write the account onto the span and end it. Only the first call counts; never raises."""
        if self.ended:
            return
        self.ended = True
        try:
            self._write(outcome, error)
        except Exception as fault:
            faults.report("finish stream", fault)
        finally:
            try:
                self._open_span.end()
            except Exception as fault:
                faults.report("end span", fault)

    def _write(self, outcome: str, error: BaseException | None) -> None:
        open_span = self._open_span
        if not open_span.span.is_recording():
            return
        attributes: dict[str, Any] = {
            semconv.STREAM_CHUNKS: self._chunk_count,
            semconv.STREAM_CONTENT_CHUNKS: self._content_count,
            semconv.STREAM_OUTCOME: outcome,
        }
        if self._first_content_s is not None:
            if open_span.stage == semconv.STAGE_MODEL:
                attributes[semconv.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK] = self._first_content_s
            elif open_span.request is not None and open_span.request.first_token_s is None:
                attributes[semconv.RESPONSE_TIME_TO_FIRST_TOKEN] = self._first_content_s
        if self._waits:
            waits = sorted(self._waits)
            attributes[semconv.STREAM_LONGEST_STALL] = self._longest_wait_s
            attributes[semconv.STREAM_TIME_PER_CHUNK_P50] = nearest_rank(waits, 0.50)
            attributes[semconv.STREAM_TIME_PER_CHUNK_P95] = nearest_rank(waits, 0.95)
            record_chunk_waits = runtime.record_chunk_waits
            if record_chunk_waits is not None and open_span.stage == semconv.STAGE_MODEL:
                # The attributes are read later, by the exporting thread, when all of them are there.
                record_chunk_waits(getattr(open_span.span, "attributes", None) or {}, waits, self._stride)
        account = None if self._reader is None else self._reader.account
        if open_span.stage == semconv.STAGE_MODEL and account is not None:
            attributes.update(account.attributes())
        open_span.stage_span.annotate(attributes)
        if self._text_parts and open_span.policy.content:
            open_span.capture_result("".join(self._text_parts))
        elif self._text_chars and open_span.policy.mode is Capture.LENGTHS:
            open_span.span.set_attribute(semconv.OUTPUT_LENGTH, self._text_chars)
        if error is not None:
            open_span.fail(error)
        elif outcome == semconv.OUTCOME_ERROR:
            open_span.span.set_status(Status(StatusCode.ERROR))
        elif account is not None and account.failure is not None:
            # The call succeeded, but the stream reported an error.
            open_span.span.set_status(Status(StatusCode.ERROR, account.failure))


def nearest_rank(ordered: list[float], quantile: float) -> float:
    """Return the nearest-rank quantile of a sorted, non-empty list."""
    return ordered[max(math.ceil(quantile * len(ordered)) - 1, 0)]
