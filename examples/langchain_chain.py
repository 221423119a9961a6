"""The reference application's steps as a LangChain chain: its index, its model, and a trace in the same columns.

    sightline-app ingest
    python examples/langchain_chain.py "How do I copy a folder?"

Needs `langchain-openai`, `openinference-instrumentation-langchain`, and the model server and the collector running.
"""

import asyncio
import sys
from typing import Any

from langchain_core.documents import Document
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_openai import ChatOpenAI

import sightline
from sightline_app import prompt
from sightline_app.api import open_pipeline
from sightline_app.settings import AppSettings


class Passages(BaseRetriever):
    """Finds what the application's vector store finds."""

    pipeline: Any

    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        raise NotImplementedError("ask it asynchronously")

    async def _aget_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        vector = (await self.pipeline.embedding.embed_question(query)).vector
        hits = await self.pipeline.retriever.search(query, vector, tenant="public", since=None, limit=5)
        return [Document(hit.text[:280], id=hit.id, metadata={"title": hit.title, "score": hit.score}) for hit in hits]


@sightline.request
async def answer(settings: AppSettings, question: str) -> str:
    """Search, build the prompt and ask the model."""
    pipeline = open_pipeline(settings)
    key, url = settings.model_api_key, settings.model_base_url
    model = ChatOpenAI(model=settings.chat_model, base_url=url, api_key=key, stream_usage=True)
    asked = ChatPromptTemplate([("system", prompt.SYSTEM), ("user", "Passages:\n\n{passages}\n\nQuestion: {question}")])
    found = Passages(pipeline=pipeline) | (
        lambda hits: "\n\n".join(f"[{n}] {hit.metadata['title']}\n{hit.page_content}" for n, hit in enumerate(hits, 1))
    )
    chain = {"passages": found, "question": lambda question: question} | asked | model | StrOutputParser()
    try:
        return "".join([text async for text in chain.astream(question)])
    finally:
        await pipeline.close()


if __name__ == "__main__":
    tracing = sightline.configure(service_name="langchain-chain", capture="truncated")
    sightline.instrument(only=["langchain"])
    sys.stdout.write(asyncio.run(answer(AppSettings.from_env(), sys.argv[1])) + "\n")
    tracing.shutdown()
