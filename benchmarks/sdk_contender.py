"""One contender of `benchmarks/sdk.py`, in a process of its own: what does a traced call cost the thread that makes it?

Run as `python sdk_contender.py WHAT NAME`; prints one JSON object. Every library is set up as its manual says, but for
the last step: what would be sent over the network is counted and dropped. Time is CPU time of the calling thread
(`time.thread_time_ns`), so the exporting threads, which all of them have, are not counted.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

CALLS = 2_000  # fewer than any library's queue holds
CHUNKS = 2_000
STREAMS = 20
QUEUED = 100_000
QUESTION = "How do I copy a folder with everything in it, and keep the times of its files?"
ANSWER = "Use shutil.copytree with copy_function=shutil.copy2, which is the default. " * 4
_UNREACHED = "http://127.0.0.1:9"

Ask = Callable[[str], str]


_counts: list[Callable[[], int]] = []
"""How many spans arrived where they would be sent: one that measures nothing must not look fast."""


def _counter() -> Any:
    """An exporter that keeps no span: kept ones would be walked by each garbage collection of the calling thread."""
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

    class Counter(SpanExporter):
        exported = 0

        def export(self, spans: Any) -> SpanExportResult:
            self.exported += len(spans)
            return SpanExportResult.SUCCESS

    exporter = Counter()
    _counts.append(lambda: exporter.exported)
    return exporter


def plain(question: str) -> str:
    """What is traced: it costs next to nothing itself."""
    del question
    return ANSWER


def otel() -> Ask:
    """The bare SDK, written by hand, with the attributes that Sightline writes (they come in BENCH_ATTRIBUTES)."""
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    attributes = json.loads(os.environ["BENCH_ATTRIBUTES"])
    name, given, returned = attributes.pop("name"), attributes.pop("input"), attributes.pop("output")
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(_counter()))
    trace.set_tracer_provider(provider)
    tracer = trace.get_tracer("bench")

    def ask(question: str) -> str:
        with tracer.start_as_current_span(name, attributes=attributes) as span:
            span.set_attribute(given, question)
            answer = plain(question)
            span.set_attribute(returned, answer)
            return answer

    return ask


def sightline_() -> Ask:
    """This library, whose sender takes everything."""
    import sightline
    from sightline.export.otlp_http import Answer, OtlpHttpSender, Verdict

    OtlpHttpSender.send = lambda self, body, timeout_s=None: Answer(Verdict.SENT)  # type: ignore[method-assign]
    tracing = sightline.configure(service_name="bench", endpoint=_UNREACHED, capture="full")
    _counts.append(lambda: tracing.stats().exported)
    return sightline.workflow("answer")(plain)


def traceloop() -> Ask:
    """OpenLLMetry's SDK."""
    from traceloop.sdk import Traceloop
    from traceloop.sdk.decorators import workflow

    Traceloop.init("bench", exporter=_counter(), instruments=set(), telemetry_enabled=False)
    return workflow(name="answer")(plain)


def openinference() -> Ask:
    """OpenInference's decorators (what Phoenix is fed with)."""
    from openinference.instrumentation import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(_counter()))
    return provider.get_tracer("bench").chain(name="answer")(plain)


def logfire() -> Ask:
    """Pydantic Logfire."""
    import logfire as library
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    library.configure(
        send_to_logfire=False,
        console=False,
        metrics=False,
        inspect_arguments=False,
        additional_span_processors=[BatchSpanProcessor(_counter())],
    )
    return library.instrument("answer", extract_args=True, record_return=True)(plain)


def langfuse() -> Ask:
    """Langfuse's @observe."""
    from langfuse import Langfuse, observe

    Langfuse(public_key="pk", secret_key="sk", base_url=_UNREACHED, span_exporter=_counter())
    return observe(name="answer")(plain)


def mlflow() -> Ask:
    """MLflow's @trace, exporting by OTLP."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import SpanExportResult

    kept = [0]

    def export(self: Any, spans: Any) -> SpanExportResult:
        kept[0] += len(spans)
        return SpanExportResult.SUCCESS

    OTLPSpanExporter.export = export
    _counts.append(lambda: kept[0])
    os.environ["MLFLOW_TRACKING_URI"], os.environ["MLFLOW_EXPERIMENT_ID"] = _UNREACHED, "0"
    os.environ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] = f"{_UNREACHED}/v1/traces"
    os.environ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"] = "http/protobuf"
    import mlflow as library

    return library.trace(plain, name="answer")


CONTENDERS: dict[str, Callable[[], Ask]] = {
    "otel": otel,
    "sightline": sightline_,
    "traceloop": traceloop,
    "openinference": openinference,
    "logfire": logfire,
    "langfuse": langfuse,
    "mlflow": mlflow,
}


def call(name: str) -> dict[str, float]:
    """Microseconds of the calling thread for one traced call."""
    ask = CONTENDERS[name]()
    for _ in range(500):
        ask(QUESTION)
    gc.collect()
    begun = time.thread_time_ns()
    for _ in range(CALLS):
        ask(QUESTION)
    spent_us = (time.thread_time_ns() - begun) / CALLS / 1000
    deadline = time.monotonic() + 30
    while _counts[0]() < CALLS:
        if time.monotonic() > deadline:
            raise SystemExit(f"{name}: {_counts[0]()} of {CALLS} spans arrived")
        time.sleep(0.1)
    return {"us": spent_us}


def chunk(name: str) -> dict[str, float]:
    """Microseconds of the consuming thread for one chunk of a traced stream, beyond the untraced stream's."""
    del name
    sightline_()
    import sightline

    def stream() -> Iterator[str]:
        for _ in range(CHUNKS):
            yield "token "

    def consume(make: Callable[[], Iterator[str]]) -> float:
        begun = time.thread_time_ns()
        for _ in range(STREAMS):
            for _ in make():
                pass
        return (time.thread_time_ns() - begun) / STREAMS / CHUNKS / 1000

    traced: Any = sightline.llm("bench", provider="bench")(stream)
    consume(traced)
    untraced = consume(stream)
    return {"us": consume(traced) - untraced}


def memory(name: str) -> dict[str, float]:
    """MiB of resident memory that 100,000 waiting spans take, with the questions and answers in them."""
    os.environ["OTEL_BSP_MAX_QUEUE_SIZE"] = str(2 * QUEUED)
    os.environ["OTEL_BSP_SCHEDULE_DELAY"] = "600000"
    os.environ["OTEL_BSP_MAX_EXPORT_BATCH_SIZE"] = str(2 * QUEUED)
    ask = CONTENDERS[name]()
    ask(QUESTION)
    gc.collect()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in range(QUEUED):
        ask(f"{number} {QUESTION}")
    return {"mib": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024}


def exit_(name: str) -> dict[str, float]:
    """Seconds in which a process that ends hands its full queue over to a collector, and how many spans that took."""
    del name
    import sightline

    tracing = sightline.configure(service_name="bench", capture="full")
    ask = sightline.workflow("answer")(plain)
    for number in range(tracing.settings.queue_size):
        ask(f"{number} {QUESTION}")
    queued = tracing.stats().queued
    begun = time.monotonic()
    tracing.shutdown()
    return {"s": time.monotonic() - begun, "queued": queued, "exported": tracing.stats().exported}


def sample(name: str) -> dict[str, Any]:
    """Name and attributes of a span of Sightline's, for the contender that is written by hand."""
    del name
    import sightline
    from sightline import semconv
    from sightline.testing import captured

    with captured() as spans:
        sightline.workflow("answer")(plain)(QUESTION)
    (span,) = spans
    kept = {key: value for key, value in (span.attributes or {}).items() if key not in {semconv.INPUT, semconv.OUTPUT}}
    return {**kept, "name": span.name, "input": semconv.INPUT, "output": semconv.OUTPUT}


if __name__ == "__main__":
    what, contender = sys.argv[1:]
    print(
        json.dumps({"call": call, "chunk": chunk, "memory": memory, "exit": exit_, "sample": sample}[what](contender)),
        flush=True,
    )
    os._exit(0)  # nobody waits for what was only kept in memory
