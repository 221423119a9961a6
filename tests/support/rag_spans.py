"""Spans of a question that is answered from passages, by the real packages of two families, with content and without.

`python rag_spans.py FOLDER` asks one question of LangChain, of LlamaIndex and of OpenAI's client behind LangChain's
retriever, each in a trace of its own, and writes what each family tells as one OTLP request: into FOLDER/FAMILY, and
into FOLDER/FAMILY-silent with content switched off as the family's own documentation says.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

import foreign_spans

QUESTION = "How long may it take?"
"""What the user asks."""
PASSAGES = {"a": "asyncio.timeout limits a coroutine", "b": "csv.DictReader reads rows"}
"""What the retrievers find, by the name of its document."""
SILENT = {
    "openinference": {"OPENINFERENCE_HIDE_INPUTS": "true", "OPENINFERENCE_HIDE_OUTPUTS": "true"},
    "openllmetry": {"TRACELOOP_TRACE_CONTENT": "false"},
}
"""How each family is told to keep content to itself."""


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
    model = ChatOpenAI(model=foreign_spans.MODEL, base_url=f"{url}/v1", api_key=SecretStr("none"))
    chain: Any = {"context": _shelf(), "question": RunnablePassthrough()} | prompt | model | StrOutputParser()
    chain.invoke(QUESTION)


def _openai(url: str) -> None:
    import openai

    found = "\n".join(document.page_content for document in _shelf().invoke(QUESTION))
    asked: list[Any] = [{"role": "system", "content": f"Answer from: {found}"}, {"role": "user", "content": QUESTION}]
    client = openai.OpenAI(base_url=f"{url}/v1", api_key="none")
    client.chat.completions.create(model=foreign_spans.MODEL, messages=asked)


def _llama_index(url: str) -> None:
    from llama_index.core import VectorStoreIndex
    from llama_index.core.embeddings import MockEmbedding
    from llama_index.core.schema import TextNode
    from llama_index.llms.ollama import Ollama  # type: ignore[import-untyped]

    nodes = [TextNode(text=text, id_=name) for name, text in PASSAGES.items()]
    index = VectorStoreIndex(nodes, embed_model=MockEmbedding(embed_dim=8))
    llm = Ollama(model="llama3", base_url=url, request_timeout=30, context_window=4096)
    index.as_query_engine(llm=llm, similarity_top_k=2).query(QUESTION)


_PARTS = {"ask langchain": _langchain, "ask llama_index": _llama_index, "ask openai": _openai}


def _write(family: str, folder: Path, *, silent: bool) -> None:
    os.environ.update(SILENT[family] if silent else {})
    foreign_spans.write(family, folder / (f"{family}-silent" if silent else family), _PARTS)


if __name__ == "__main__":
    foreign_spans.each_in_a_process(
        partial(_write, family, Path(sys.argv[1]), silent=silent)
        for family in foreign_spans.FAMILIES
        for silent in (False, True)
    )
