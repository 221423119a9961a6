"""OTLP load for benchmarks: RAG traces of 8 spans, prompts included, and a sender over loopback.

A fixed seed gives the same bytes each time. A request holds 64 traces, 512 spans, about 175 KB; with long texts, which
are as long as those of sql/traces.sql (prompts of up to 40 kB, five passages a retrieval), about 330 KB.
"""

from __future__ import annotations

import http.client
import json
import math
import queue
import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span

TRACES_PER_REQUEST = 64
SPANS_PER_TRACE = 8
SPANS_PER_REQUEST = TRACES_PER_REQUEST * SPANS_PER_TRACE
_MS = 1_000_000
_WORDS = """the index returned passages about how a request waits for a lock while another thread holds the connection
and which settings shorten the time before the first token reaches the reader of a long answer""".split()  # noqa: SIM905


def make_requests(count: int, seed: int = 1, *, first: int = 0, long_texts: bool = False) -> list[bytes]:
    """`count` serialized requests, one every 50 ms from ten minutes ago on.

    Args:
        count: how many.
        seed: another one gives other traces.
        first: how many came before these.
        long_texts: see above.
    """
    rng = random.Random(seed)
    start_ns = time.time_ns() - 600 * 1000 * _MS
    return [_request(rng, start_ns + (first + index) * 50 * _MS, long_texts) for index in range(count)]


@dataclass(frozen=True)
class Sent:
    """What a run of the sender saw."""

    spans: int
    seconds: float
    retries: int


def send(port: int, requests: Sequence[bytes], *, threads: int = 4, timeout_s: float = 600) -> Sent:
    """POST every request to 127.0.0.1:port until it is acknowledged; give up after `timeout_s`."""
    waiting: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    for request in requests:
        waiting.put(request)
    retries, failures = [0] * threads, []
    deadline = time.monotonic() + timeout_s

    def work(index: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while True:
            try:
                body = waiting.get_nowait()
            except queue.Empty:
                connection.close()
                return
            while True:
                if time.monotonic() > deadline:
                    failures.append("timeout")
                    return
                try:
                    connection.request("POST", "/v1/traces", body, {"Content-Type": "application/x-protobuf"})
                    answer = connection.getresponse()
                    answer.read()
                    if answer.status == 200:
                        break
                except OSError:
                    connection.close()
                retries[index] += 1
                time.sleep(0.05)

    began = time.monotonic()
    workers = [threading.Thread(target=work, args=(index,)) for index in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if failures:
        raise TimeoutError(f"not everything was acknowledged within {timeout_s} s")
    return Sent(len(requests) * SPANS_PER_REQUEST, time.monotonic() - began, sum(retries))


def _request(rng: random.Random, start_ns: int, long_texts: bool) -> bytes:
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    for key, value in {"service.name": "rag-api", "service.version": "1.4.2", "host.name": "node-3"}.items():
        resource.resource.attributes.add(key=key).value.string_value = value
    scope = resource.scope_spans.add()
    scope.scope.name = "bench"
    for _ in range(TRACES_PER_REQUEST):
        _trace(rng, scope, start_ns + rng.randrange(50 * _MS), long_texts)
    return request.SerializeToString()


def _trace(rng: random.Random, scope: ScopeSpans, at_ns: int, long_texts: bool) -> None:
    trace_id, root_id = rng.randbytes(16), rng.randbytes(8)
    total_ms, ttft_ms = rng.randrange(400, 3000), rng.randrange(80, 380)
    identity = {"tenant.id": f"tenant-{rng.randrange(20)}", "session.id": f"s{rng.randrange(2000)}"}

    def span(name: str, kind: int, start_ms: int, end_ms: int, parent: bytes, **attributes: object) -> None:
        made = scope.spans.add(
            trace_id=trace_id,
            span_id=root_id if not parent else rng.randbytes(8),
            parent_span_id=parent,
            name=name,
            kind=kind,  # type: ignore[arg-type]
            start_time_unix_nano=at_ns + start_ms * _MS,
            end_time_unix_nano=at_ns + end_ms * _MS,
        )
        for key, value in {**{k.replace("__", "."): v for k, v in attributes.items()}, **identity}.items():
            target = made.attributes.add(key=key).value
            if isinstance(value, bool):
                target.bool_value = value
            elif isinstance(value, int):
                target.int_value = value
            elif isinstance(value, float):
                target.double_value = value
            else:
                target.string_value = str(value)

    found = [{"id": f"doc-{rng.randrange(9000)}", "score": round(rng.random(), 4)} for _ in range(5)]
    prompt, answer = _text(rng, 50), _text(rng, 40)
    if long_texts:
        found = [document | {"content": _text(rng, 28)} for document in found]
        prompt = _text(rng, _length(rng, median=200, spread=0.8, most=6700))
        answer = _text(rng, _length(rng, median=80, spread=0.6, most=1300))
    documents = json.dumps(found)
    internal, client = Span.SPAN_KIND_INTERNAL, Span.SPAN_KIND_CLIENT
    span(
        "POST /v1/chat", Span.SPAN_KIND_SERVER, 0, total_ms, b"",
        sightline__stage="request", http__route="/v1/chat", http__response__status_code=200,
        sightline__response__time_to_first_token=(ttft_ms + 40) / 1000,
    )  # fmt: skip
    span("guard", internal, 1, 3, root_id, sightline__stage="guard", sightline__guardrail__flagged=False)
    span(
        "embeddings bge-small", client, 3, 11, root_id,
        gen_ai__operation__name="embeddings", gen_ai__request__model="bge-small", gen_ai__usage__input_tokens=14,
    )  # fmt: skip
    span(
        "retrieval docs", client, 11, 27, root_id,
        gen_ai__operation__name="retrieval", gen_ai__data_source__id="docs", gen_ai__request__top_k=5,
        db__system__name="weaviate", gen_ai__retrieval__documents=documents,
    )  # fmt: skip
    span("rerank", internal, 27, 32, root_id, sightline__stage="rerank")
    span(
        "chat gpt-4o-mini", client, 34, total_ms - 6, root_id,
        gen_ai__operation__name="chat", gen_ai__provider__name="openai", gen_ai__request__model="gpt-4o-mini",
        gen_ai__usage__input_tokens=rng.randrange(400, 2000), gen_ai__usage__output_tokens=rng.randrange(30, 400),
        gen_ai__response__time_to_first_chunk=ttft_ms / 1000,
        gen_ai__input__messages=json.dumps([{"role": "user", "content": prompt}]),
        gen_ai__output__messages=json.dumps([{"role": "assistant", "content": answer}]),
    )  # fmt: skip
    span("SET answer", client, total_ms - 5, total_ms - 4, root_id, db__system__name="redis", db__operation__name="SET")
    span("RPUSH turns", client, total_ms - 3, total_ms - 2, root_id, db__system__name="redis")


def _length(rng: random.Random, *, median: int, spread: float, most: int) -> int:
    """How many words a text has: lognormal, as long texts are."""
    return min(most, int(median * math.exp(spread * rng.gauss(0, 1))) + 1)


def _text(rng: random.Random, words: int) -> str:
    return " ".join(rng.choices(_WORDS, k=words))
