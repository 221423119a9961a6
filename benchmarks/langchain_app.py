"""A RAG backend as LangChain's documentation builds one, behind the same interface as the reference application.

    python benchmarks/langchain_app.py PORT COLLECTION

`langchain-weaviate` (its asynchronous hybrid search), a prompt template, OpenAI's chat model and a string parser in one
chain, streamed as server-sent events by FastAPI. Weaviate, collection, embedding model, prompt, number and length of
passages and the bound of tokens are those of the app. It has no rerank stage, guardrails, limits or resumable streams.
Tracing: `sightline.instrument()` turns on OpenInference's instrumentation of LangChain and this library's of Weaviate.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import uvicorn
import weaviate
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable, RunnablePassthrough
from langchain_openai import ChatOpenAI
from langchain_weaviate import WeaviateVectorStore

import sightline
from sightline import semconv
from sightline.asgi import RequestMiddleware
from sightline_app import prompt
from sightline_app.embeddings.minilm import MiniLM
from sightline_app.settings import AppSettings

_FIELDS = ["names_stems", "title_stems", "text_stems^2", "context_stems^0.5"]


class LocalEmbeddings(Embeddings):
    """The app's model as LangChain's interface has it: one text at a time, asynchronously in a thread.

    Args:
        model: all-MiniLM-L6-v2.
    """

    def __init__(self, model: MiniLM) -> None:
        self._model = model

    def embed_documents(self, texts: Sequence[str]) -> list[list[float]]:
        """Return a vector for each text."""
        return self._model.embed_texts(texts, lambda done, total: None).tolist()  # type: ignore[no-any-return]

    def embed_query(self, text: str) -> list[float]:
        """Return the vector of a question."""
        return self.embed_documents([text])[0]


def numbered(settings: AppSettings, documents: Sequence[Document]) -> str:
    """Return the passages as the app's prompt has them."""
    return "\n\n".join(
        f"[{number}] {each.metadata['title']}\n{each.page_content[: settings.passage_chars]}"
        for number, each in enumerate(documents, start=1)
    )


def build(settings: AppSettings, collection: str, client: weaviate.WeaviateClient, searching: object) -> Runnable:  # type: ignore[type-arg]
    """Return the chain: a question in, pieces of the answer out."""
    store = WeaviateVectorStore(
        client,
        collection,
        "text",
        LocalEmbeddings(MiniLM(settings.minilm, settings.cache_dir)),
        client_async=searching,  # type: ignore[arg-type]
    )
    wanted = {
        "k": settings.top_k,
        "alpha": settings.alpha,
        "query_properties": _FIELDS,
        "return_properties": ["title", "text"],
    }
    asked = ChatPromptTemplate.from_messages(
        [("system", prompt.SYSTEM), ("user", "Passages:\n\n{passages}\n\nQuestion: {question}")]
    )
    model = ChatOpenAI(
        model=settings.chat_model,
        base_url=settings.model_base_url,
        api_key=settings.model_api_key,  # type: ignore[arg-type]
        temperature=settings.temperature,
        max_completion_tokens=settings.max_output_tokens,
        stop_sequences=list(prompt.STOP),
        stream_usage=True,
        max_retries=0,
    )
    passages = store.as_retriever(search_kwargs=wanted) | (lambda documents: numbered(settings, documents))
    return {"passages": passages, "question": RunnablePassthrough()} | asked | model | StrOutputParser()


def create_app(settings: AppSettings, collection: str) -> FastAPI:
    """Return the application with its one route."""
    url = urlsplit(settings.weaviate_url or "")
    where = {
        "http_host": url.hostname,
        "http_port": url.port,
        "http_secure": False,
        "grpc_host": url.hostname,
        "grpc_port": settings.weaviate_grpc_port,
        "grpc_secure": False,
    }
    chains = {}

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncGenerator[None]:
        del app
        with weaviate.connect_to_custom(**where) as client:  # type: ignore[arg-type]
            async with weaviate.use_async_with_custom(**where) as searching:  # type: ignore[arg-type]
                chains["answer"] = build(settings, collection, client, searching)
                yield

    app = FastAPI(lifespan=life)
    app.add_middleware(RequestMiddleware, content_events={"token"})

    @app.get("/healthz")
    async def health() -> dict[str, bool]:
        return {"ready": True}

    @app.post("/v1/chat")
    async def chat(request: Request) -> StreamingResponse:
        question = (await request.json())["question"]
        sightline.annotate_request({semconv.INPUT: question})

        async def events() -> AsyncIterator[str]:
            trace_id, _ = sightline.request_ids()
            yield _event("meta", {"trace_id": trace_id})
            tokens = 0
            async for text in chains["answer"].astream(question):
                if text:
                    tokens += 1
                    yield _event("token", {"text": text})
            yield _event("done", {"usage": {"output_tokens": tokens}})

        return StreamingResponse(events(), media_type="text/event-stream")

    return app


def _event(name: str, data: dict[str, object]) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"


if __name__ == "__main__":
    app_settings = AppSettings.from_env(os.environ)
    sightline.configure(service_name="langchain-rag", capture=app_settings.capture)
    app = create_app(app_settings, sys.argv[2])
    sightline.instrument(only=["fastapi", "langchain", "weaviate"], app=app)
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False)
