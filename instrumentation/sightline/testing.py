"""For tests: spans in memory, fixed ids, a clock that ticks, and a tree to read.

```python
with sightline.testing.captured() as spans:
    my_pipeline("question")
assert spans.names() == ["embeddings m", "retrieval Documents", "chat m", "answer"]
print(spans.tree())
```
"""

import contextlib
import difflib
import itertools
import textwrap
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import Sampler
from opentelemetry.trace import StatusCode, format_span_id, get_current_span

from sightline import semconv
from sightline.capture.mode import Capture
from sightline.capture.policy import CapturePolicy
from sightline.enrichment import SpanEnricher
from sightline.runtime import SCOPE_NAME, VERSION, runtime
from sightline.scores import Score


class CountingIds(IdGenerator):
    """Trace ids 1, 2, 3... and span ids 1, 2, 3...: the same in every run."""

    def __init__(self) -> None:
        self._traces = itertools.count(1)
        self._spans = itertools.count(1)

    def generate_trace_id(self) -> int:
        """Return the next trace id."""
        return next(self._traces)

    def generate_span_id(self) -> int:
        """Return the next span id."""
        return next(self._spans)


class TickingClock:
    """A clock in nanoseconds that moves by one step each time that it is read.

    Args:
        start_ns: first reading.
        step_ns: how far it moves; default one second.
    """

    def __init__(self, start_ns: int = 0, step_ns: int = 1_000_000_000) -> None:
        self._readings = itertools.count(start_ns, step_ns)

    def __call__(self) -> int:
        """Return the time and move on."""
        return next(self._readings)


class Spans(SpanProcessor):
    """The ended spans, in the order in which they ended, and the scores that were sent."""

    def __init__(self, clock: Callable[[], int] | None = None) -> None:
        self._ended: list[ReadableSpan] = []
        self._lock = threading.Lock()
        self._clock = clock
        self._times: dict[int, tuple[int, int]] = {}
        self.provider = TracerProvider(shutdown_on_exit=False)
        """The provider behind it: hand it to other instrumentations (``tracer_provider=``)."""
        self.scores: list[dict[str, Any]] = []
        """Attributes of each score, with ``trace_id`` and ``span_id`` as integers."""

    def on_start(self, span: Any, parent_context: Context | None = None) -> None:
        """Note the start by the test's clock. Called by the SDK."""
        if self._clock is not None:
            start = self._clock()
            self._times[span.context.span_id] = (start, start)

    def on_end(self, span: ReadableSpan) -> None:
        """Keep the span. Called by the SDK."""
        with self._lock:
            self._ended.append(span)
            if self._clock is not None and span.context is not None:
                start, _ = self._times[span.context.span_id]
                self._times[span.context.span_id] = (start, self._clock())

    def __len__(self) -> int:
        return len(self._ended)

    def __iter__(self) -> Iterator[ReadableSpan]:
        return iter(list(self._ended))

    def times_ns(self, span: ReadableSpan) -> tuple[int, int]:
        """Return start and end of a span, by the test's clock where there is one."""
        assert span.context is not None
        return self._times.get(span.context.span_id) or (span.start_time or 0, span.end_time or 0)

    def names(self) -> list[str]:
        """Return the names in the order in which the spans ended."""
        return [span.name for span in self._ended]

    def single(self, name: str | None = None, *, stage: str | None = None) -> ReadableSpan:
        """Return the only span of that name or stage; fails with the tree when there is none or more."""
        matches = [
            span
            for span in self._ended
            if (name is None or span.name == name)
            and (stage is None or (span.attributes or {}).get(semconv.STAGE) == stage)
        ]
        if len(matches) != 1:
            raise AssertionError(f"{len(matches)} spans have name={name!r} stage={stage!r}:\n{self.tree()}")
        return matches[0]

    def attributes(self, name: str | None = None, *, stage: str | None = None) -> Mapping[str, Any]:
        """Return the attributes of the only span of that name or stage."""
        return self.single(name, stage=stage).attributes or {}

    def assert_tree(self, expected: str, *, keys: Sequence[str] = ()) -> None:
        """Fail, with a comparison, unless the tree is as expected.

        Args:
            expected: as `tree` returns it; common indentation and empty lines around it do not count.
            keys: attributes that are part of the comparison.

        Raises:
            AssertionError: it is not; the message marks what is missing (-) and what is there instead (+).
        """
        expected_tree, actual_tree = textwrap.dedent(expected).strip("\n").rstrip(), self.tree(keys)
        if expected_tree != actual_tree:
            lines = difflib.ndiff(expected_tree.splitlines(), actual_tree.splitlines())
            difference = "\n".join(line for line in lines if not line.startswith("?"))
            raise AssertionError(f"the spans are not as expected (- expected, + recorded):\n{difference}")

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._ended.clear()
            self.scores.clear()

    def tree(self, keys: Sequence[str] = ()) -> str:
        """Return the spans as an indented tree, children in order of their start.

        Args:
            keys: attributes to print beside the names.
        """
        spans = list(self._ended)
        ids = {span.context.span_id for span in spans if span.context}
        lines: list[str] = []

        def add(parent: int | None, depth: int) -> None:
            children = [span for span in spans if _parent_id(span, ids) == parent]
            for span in sorted(children, key=lambda child: self.times_ns(child)[0]):
                shown_attributes = [
                    f"{key}={(span.attributes or {})[key]!r}" for key in keys if key in (span.attributes or {})
                ]
                error = ["ERROR"] if span.status.status_code is StatusCode.ERROR else []
                lines.append("  " * depth + " ".join([span.name, *shown_attributes, *error]))
                if span.context is not None:
                    add(span.context.span_id, depth + 1)

        add(None, 0)
        return "\n".join(lines)


def _parent_id(span: ReadableSpan, known: set[int]) -> int | None:
    return span.parent.span_id if span.parent is not None and span.parent.span_id in known else None


@contextlib.contextmanager
def captured(
    *,
    capture: str = "full",
    capture_max_chars: int = 4096,
    redact: Callable[[str], str] | None = None,
    clock: Callable[[], int] | None = None,
    sampler: Sampler | None = None,
) -> Iterator[Spans]:
    """Record Sightline's spans and scores in memory for the time of the block.

    The global TracerProvider is left alone; ids are 1, 2, 3...

    Args:
        capture: ``none``, ``lengths``, ``truncated`` or ``full``.
        capture_max_chars: characters of one captured text when truncated.
        redact: masks captured texts.
        clock: nanoseconds for ``Spans.times_ns`` and the order in ``tree``; default is the real clock.
        sampler: default records everything.
    """
    spans = Spans(clock)
    provider = TracerProvider(
        sampler=sampler,
        resource=Resource({semconv.SERVICE_INSTANCE_ID: "1"}),
        shutdown_on_exit=False,
        id_generator=CountingIds(),
    )
    spans.provider = provider
    provider.add_span_processor(SpanEnricher(lambda: provider.resource))
    provider.add_span_processor(spans)

    def keep_score(score: Score) -> None:
        judged = get_current_span(score.judged).get_span_context()
        spans.scores.append({**score.attributes, "trace_id": judged.trace_id, "span_id": judged.span_id})

    before = (runtime.tracer, runtime.capture, runtime.emit_score)
    runtime.tracer = provider.get_tracer(SCOPE_NAME, VERSION, schema_url=semconv.SCHEMA_URL)
    runtime.capture = CapturePolicy(Capture(capture), capture_max_chars, redact)
    runtime.emit_score = keep_score
    try:
        yield spans
    finally:
        runtime.tracer, runtime.capture, runtime.emit_score = before
        provider.shutdown()


def span_id(span: ReadableSpan) -> str:
    """Return a span's id as 16 hex digits."""
    assert span.context is not None
    return format_span_id(span.context.span_id)
