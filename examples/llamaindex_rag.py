"""LlamaIndex: its retriever and its model as spans of one request.

    python examples/llamaindex_rag.py "Where is Paris?"

Needs `llama-index-core`, `llama-index-llms-ollama`, `openinference-instrumentation-llama-index`, an Ollama
(OLLAMA_HOST, OLLAMA_MODEL) and the collector.
"""

import os
import sys

from llama_index.core import Document, SummaryIndex
from llama_index.llms.ollama import Ollama

import sightline

TEXTS = ["Paris is the capital of France.", "Rome is the capital of Italy."]


@sightline.request
def answer(question: str) -> str:
    """Read all passages and ask the model."""
    url = os.environ.get("OLLAMA_HOST", "http://127.0.0.1:11434")
    model = Ollama(model=os.environ.get("OLLAMA_MODEL", "llama3.2"), base_url=url, context_window=4096)
    index = SummaryIndex.from_documents([Document(text=text) for text in TEXTS])
    return str(index.as_query_engine(llm=model).query(question))


if __name__ == "__main__":
    sightline.configure(service_name="llamaindex-rag", capture="full")
    sightline.instrument(only=["llama-index"])
    sys.stdout.write(answer(sys.argv[1]) + "\n")
