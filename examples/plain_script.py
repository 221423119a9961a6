"""A script without a framework: three decorators make a trace with its search, its model call and its first token.

    python examples/plain_script.py "Where is Paris?"

Needs `openai`, an OpenAI-compatible endpoint (OPENAI_BASE_URL, OPENAI_API_KEY, OPENAI_MODEL) and the collector.
"""

import os
import sys
from collections.abc import Iterator

from openai import OpenAI

import sightline

SHELF = {"paris": "Paris is the capital of France.", "rome": "Rome is the capital of Italy."}


@sightline.retrieval("Shelf")
def search(question: str) -> list[dict[str, str]]:
    """Return the passages that share a word with the question."""
    return [{"id": name, "content": text} for name, text in SHELF.items() if name in question.lower()]


@sightline.llm(os.environ.get("OPENAI_MODEL", "gpt-4o-mini"), provider="openai")
def answer(question: str, passages: list[dict[str, str]]) -> Iterator[str]:
    """Stream the answer; the span ends with the stream."""
    asked = f"{question}\n\n{passages}"
    messages = [{"role": "user", "content": asked}]
    model = os.environ.get("OPENAI_MODEL", "gpt-4o-mini")
    for chunk in OpenAI().chat.completions.create(model=model, messages=messages, stream=True):
        yield (chunk.choices[0].delta.content or "") if chunk.choices else ""


if __name__ == "__main__":
    sightline.configure(service_name="plain-script", capture="full")  # sends what is left when the program ends
    with sightline.request("ask"):
        sys.stdout.write("".join(answer(sys.argv[1], search(sys.argv[1]))) + "\n")
