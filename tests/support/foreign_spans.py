"""Spans of other projects' instrumentations, made by the real packages against a model server of this process's own.

`python foreign_spans.py FOLDER` calls OpenAI, LangChain and LlamaIndex, plain and streamed, with embeddings and a
retrieval, and writes the spans of each family (openinference, openllmetry) as one OTLP request into the file of that
name. Each family has a process of its own, since the packages patch what they find, and warn. Nearly all of the time is
importing what is observed, so that is done once, before the processes part.
"""

from __future__ import annotations

import http.server
import importlib
import json
import os
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

warnings.simplefilter("ignore")
os.environ.update(
    TRACELOOP_TRACE_CONTENT="true", OPENAI_API_KEY="none", OTEL_SDK_DISABLED="false", ANONYMIZED_TELEMETRY="false"
)

FAMILIES = ("openinference", "openllmetry")
"""Whose instrumentations are tried."""
FIRST_CHUNK_S = 0.15
"""Seconds that the server waits before the first piece of a streamed answer."""
PIECES = ("Use ", "asyncio", ".timeout")
"""The answer's pieces."""
USAGE = {
    "prompt_tokens": 1200,
    "completion_tokens": 300,
    "total_tokens": 1500,
    "prompt_tokens_details": {"cached_tokens": 1024},
    "completion_tokens_details": {"reasoning_tokens": 64},
}
"""What the server counts for every chat."""
MODEL, ANSWERED_BY, EMBEDDING = "gpt-4o-mini", "gpt-4o-mini-2024-07-18", "text-embedding-3-small"


class Model(http.server.BaseHTTPRequestHandler):
    """Speaks as much of OpenAI's and Ollama's interface as the packages need."""

    protocol_version = "HTTP/1.0"

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""

    def do_POST(self) -> None:
        """Answer a chat or an embedding."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path.endswith("/embeddings"):
            texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
            data = [{"object": "embedding", "index": n, "embedding": [0.1] * 8} for n, _ in enumerate(texts)]
            usage = {"prompt_tokens": 7, "total_tokens": 7}
            self._json({"object": "list", "data": data, "model": EMBEDDING, "usage": usage})
        elif self.path.endswith("/api/chat"):
            self._ollama(body)
        elif body.get("stream"):
            self._stream(body)
        else:
            message = {"role": "assistant", "content": "".join(PIECES)}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            self._json({**self._head("chat.completion"), "choices": [choice], "usage": USAGE})

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": "chatcmpl-1", "object": kind, "created": 1, "model": ANSWERED_BY}

    def _json(self, answer: dict[str, Any]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def _stream(self, body: dict[str, Any]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.wfile.flush()
        time.sleep(FIRST_CHUNK_S)
        head = self._head("chat.completion.chunk")
        for piece in PIECES:
            delta = {"role": "assistant", "content": piece}
            self._event({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
            time.sleep(0.02)
        self._event({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        if (body.get("stream_options") or {}).get("include_usage"):
            self._event({**head, "choices": [], "usage": USAGE})
        self.wfile.write(b"data: [DONE]\n\n")

    def _event(self, event: dict[str, Any]) -> None:
        self.wfile.write(b"data: " + json.dumps(event).encode() + b"\n\n")
        self.wfile.flush()

    def _ollama(self, body: dict[str, Any]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        self.end_headers()
        self.wfile.flush()
        time.sleep(FIRST_CHUNK_S)
        pieces = PIECES if body.get("stream") else ("".join(PIECES),)
        for number, piece in enumerate(pieces):
            line: dict[str, Any] = {"model": body["model"], "message": {"role": "assistant", "content": piece}}
            line["done"] = number == len(pieces) - 1
            if line["done"]:
                line.update(done_reason="stop", prompt_eval_count=1200, eval_count=300)
            self.wfile.write(json.dumps(line).encode() + b"\n")
            self.wfile.flush()
            time.sleep(0.02)


def instrument(family: str, provider: Any) -> None:
    """Patch what a family observes; its spans go to `provider`."""
    if family == "openinference":
        from openinference.instrumentation.langchain import LangChainInstrumentor
        from openinference.instrumentation.llama_index import LlamaIndexInstrumentor
        from openinference.instrumentation.openai import OpenAIInstrumentor
    else:
        from opentelemetry.instrumentation.langchain import LangchainInstrumentor as LangChainInstrumentor
        from opentelemetry.instrumentation.llamaindex import LlamaIndexInstrumentor
        from opentelemetry.instrumentation.openai import OpenAIInstrumentor
    for instrumentor in (OpenAIInstrumentor, LangChainInstrumentor, LlamaIndexInstrumentor):
        instrumentor().instrument(tracer_provider=provider)


def _openai(url: str) -> None:
    import openai

    client = openai.OpenAI(base_url=f"{url}/v1", api_key="none")
    question: list[Any] = [{"role": "user", "content": "How long may it take?"}]
    client.chat.completions.create(model=MODEL, messages=question)
    for _ in client.chat.completions.create(
        model=MODEL, messages=question, stream=True, stream_options={"include_usage": True}
    ):
        pass
    client.embeddings.create(model=EMBEDDING, input=["one", "two"])


def _langchain(url: str) -> None:
    from langchain_core.callbacks import CallbackManagerForRetrieverRun
    from langchain_core.documents import Document
    from langchain_core.prompts import ChatPromptTemplate
    from langchain_core.retrievers import BaseRetriever
    from langchain_openai import ChatOpenAI
    from pydantic import SecretStr

    class Shelf(BaseRetriever):
        """Finds two passages."""

        def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
            return [Document(page_content=f"about {query}", metadata={"id": name}) for name in ("a", "b")]

    Shelf().invoke("timeouts")
    prompt = ChatPromptTemplate.from_messages([("user", "{question}")])
    model = ChatOpenAI(model=MODEL, base_url=f"{url}/v1", api_key=SecretStr("none"), stream_usage=True)
    (prompt | model).invoke({"question": "How long may it take?"})
    for _ in (prompt | model).stream({"question": "How long may it take?"}):
        pass


def _llama_index(url: str) -> None:
    from llama_index.core import Document, VectorStoreIndex
    from llama_index.core.embeddings import MockEmbedding
    from llama_index.llms.ollama import Ollama  # type: ignore[import-untyped]

    texts = {"a": "asyncio.timeout limits a coroutine", "b": "csv.DictReader reads rows"}
    documents = [Document(text=text, doc_id=name) for name, text in texts.items()]
    index = VectorStoreIndex.from_documents(documents, embed_model=MockEmbedding(embed_dim=8))
    llm = Ollama(model="llama3", base_url=url, request_timeout=30, context_window=4096)
    for streaming in (False, True):
        answer: Any = index.as_query_engine(llm=llm, similarity_top_k=2, streaming=streaming).query(
            "How long may it take?"
        )
        if streaming:
            for _ in answer.response_gen:
                pass


def write(family: str, out: Path, parts: Mapping[str, Callable[[str], None]]) -> None:
    """Instrument this process and write what it tells as one OTLP request; the file's name is the service's.

    Args:
        family: whose instrumentations.
        out: where to.
        parts: what to do with a model server at a URL, by the name of the span around it.
    """
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Model)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    exporter, provider = InMemorySpanExporter(), TracerProvider(resource=Resource({"service.name": out.name}))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    instrument(family, provider)
    for name, part in parts.items():
        with provider.get_tracer("test").start_as_current_span(name):
            part(url)
    provider.force_flush()
    out.write_bytes(encode_spans(exporter.get_finished_spans()).SerializeToString())
    server.shutdown()


def each_in_a_process(jobs: Iterable[Callable[[], None]]) -> NoReturn:
    """Import what is observed, do each job in a process of its own, and end with 1 where one failed."""
    for name in ("langchain_openai", "llama_index.core", "llama_index.llms.ollama", "openai.resources"):
        importlib.import_module(name)
    children = []
    for job in jobs:
        child = os.fork()
        if child == 0:
            try:
                job()
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        children.append(child)
    failed = [os.waitpid(child, 0)[1] for child in children]
    os._exit(1 if any(failed) else 0)


_PARTS = {"case openai": _openai, "case langchain": _langchain, "case llama_index": _llama_index}

if __name__ == "__main__":
    each_in_a_process([partial(write, family, Path(sys.argv[1]) / family, _PARTS) for family in FAMILIES])
