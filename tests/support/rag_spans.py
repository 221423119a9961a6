"""Spans of a question that is answered from passages, by the real packages of two families, with content and without.

`python rag_spans.py FOLDER` asks one question of LangChain, of LlamaIndex and of OpenAI's client behind LangChain's
retriever, each in a trace of its own, against a model server of this process's own. It writes the spans of each family
as one OTLP request: into FOLDER/FAMILY, and into FOLDER/FAMILY-silent with content switched off as the family's own
documentation says. Each has a process of its own, since the packages patch what they find. Nearly all of the time is
importing what is observed, so that is done once, before the processes part.
"""

from __future__ import annotations

import http.server
import importlib
import json
import os
import sys
import threading
import traceback
import warnings
from pathlib import Path
from typing import Any

SILENT = {
    "openinference": {"OPENINFERENCE_HIDE_INPUTS": "true", "OPENINFERENCE_HIDE_OUTPUTS": "true"},
    "openllmetry": {"TRACELOOP_TRACE_CONTENT": "false"},
}
"""The families, and the settings of each that switch content off."""
QUESTION, ANSWER = "How long may it take?", "Use asyncio.timeout"
PASSAGES = {"a": "asyncio.timeout limits a coroutine", "b": "csv.DictReader reads rows"}
"""What the retrievers find, by the name of its document."""
USAGE = {
    "prompt_tokens": 1200,
    "completion_tokens": 300,
    "total_tokens": 1500,
    "prompt_tokens_details": {"cached_tokens": 1024},
    "completion_tokens_details": {"reasoning_tokens": 64},
}
MODEL, ANSWERED_BY, EMBEDDING = "gpt-4o-mini", "gpt-4o-mini-2024-07-18", "text-embedding-3-small"


class Model(http.server.BaseHTTPRequestHandler):
    """Speaks as much of OpenAI's and Ollama's interface as the packages need."""

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""

    def do_POST(self) -> None:
        """Answer a chat or an embedding."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        message = {"role": "assistant", "content": ANSWER}
        if self.path.endswith("/embeddings"):
            data = [{"object": "embedding", "index": 0, "embedding": [0.1] * 8}]
            usage = {"prompt_tokens": 7, "total_tokens": 7}
            answer = {"object": "list", "data": data, "model": EMBEDDING, "usage": usage}
        elif self.path.endswith("/api/chat"):
            counts = {"prompt_eval_count": 1200, "eval_count": 300}
            answer = {"model": body["model"], "message": message, "done": True, "done_reason": "stop", **counts}
        else:
            head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": ANSWERED_BY}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            answer = {**head, "choices": [choice], "usage": USAGE}
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())


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


def _shelf() -> Any:
    from langchain_core.callbacks import CallbackManagerForRetrieverRun
    from langchain_core.documents import Document
    from langchain_core.retrievers import BaseRetriever

    class Shelf(BaseRetriever):
        """Finds both passages, whatever is asked."""

        def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
            return [Document(page_content=text, metadata={"id": name}) for name, text in PASSAGES.items()]

    return Shelf()


def _langchain(url: str) -> None:
    from langchain_core.output_parsers import StrOutputParser
    from langchain_core.prompts import ChatPromptTemplate
    from langchain_core.runnables import RunnablePassthrough
    from langchain_openai import ChatOpenAI
    from pydantic import SecretStr

    prompt = ChatPromptTemplate.from_messages([("system", "Answer from: {context}"), ("user", "{question}")])
    model = ChatOpenAI(model=MODEL, base_url=f"{url}/v1", api_key=SecretStr("none"))
    chain: Any = {"context": _shelf(), "question": RunnablePassthrough()} | prompt | model | StrOutputParser()
    chain.invoke(QUESTION)


def _openai(url: str) -> None:
    import openai

    client = openai.OpenAI(base_url=f"{url}/v1", api_key="none")
    client.embeddings.create(model=EMBEDDING, input=[QUESTION])
    found = "\n".join(document.page_content for document in _shelf().invoke(QUESTION))
    asked: list[Any] = [{"role": "system", "content": f"Answer from: {found}"}, {"role": "user", "content": QUESTION}]
    client.chat.completions.create(model=MODEL, messages=asked)


def _llama_index(url: str) -> None:
    from llama_index.core import VectorStoreIndex
    from llama_index.core.embeddings import MockEmbedding
    from llama_index.core.schema import TextNode
    from llama_index.llms.ollama import Ollama  # type: ignore[import-untyped]

    nodes = [TextNode(text=text, id_=name) for name, text in PASSAGES.items()]
    index = VectorStoreIndex(nodes, embed_model=MockEmbedding(embed_dim=8))
    llm = Ollama(model="llama3", base_url=url, request_timeout=30, context_window=4096)
    index.as_query_engine(llm=llm, similarity_top_k=2).query(QUESTION)


def write(family: str, out: Path) -> None:
    """Instrument this process, ask, and write the spans as one OTLP request; the file's name is the service's."""
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
    for name, ask in (("ask langchain", _langchain), ("ask llama_index", _llama_index), ("ask openai", _openai)):
        with provider.get_tracer("test").start_as_current_span(name):
            ask(url)
    provider.force_flush()
    out.write_bytes(encode_spans(exporter.get_finished_spans()).SerializeToString())
    server.shutdown()


def main(folder: Path) -> None:
    """Import what is observed, write each file in a process of its own, and end with 1 where one failed."""
    warnings.simplefilter("ignore")
    os.environ.update(
        TRACELOOP_TRACE_CONTENT="true", OPENAI_API_KEY="none", OTEL_SDK_DISABLED="false", ANONYMIZED_TELEMETRY="false"
    )
    for name in ("langchain_openai", "llama_index.core", "llama_index.llms.ollama", "openai.resources"):
        importlib.import_module(name)
    children = []
    for family, settings in SILENT.items():
        for suffix in ("", "-silent"):
            if (child := os.fork()) == 0:
                try:
                    os.environ.update(settings if suffix else {})
                    write(family, folder / f"{family}{suffix}")
                except BaseException:
                    traceback.print_exc()
                    os._exit(1)
                os._exit(0)
            children.append(child)
    failed = [os.waitpid(child, 0)[1] for child in children]
    os._exit(1 if any(failed) else 0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
