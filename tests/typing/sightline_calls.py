"""Example calls, checked by mypy and pyright: decorated functions keep their signatures. Never run."""

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, assert_type

from opentelemetry.trace import Span

import sightline


@sightline.retrieval
def bare(question: str, k: int = 5) -> list[str]:
    """A bare decorator."""
    return [question] * k


@sightline.retrieval("Documents", top_k=5, capture="none")
def with_arguments(question: str) -> list[str]:
    """A decorator with arguments."""
    return [question]


@sightline.request()
async def coroutine(question: str) -> str:
    """A coroutine function."""
    return question


@sightline.llm("m", provider="openai")
def generator(prompt: str) -> Iterator[str]:
    """A generator function."""
    yield prompt


@sightline.llm
async def async_generator(prompt: str, *, temperature: float = 0.0) -> AsyncIterator[str]:
    """An async generator function."""
    yield f"{prompt}{temperature}"


class Pipeline:
    """Methods."""

    @sightline.workflow
    def method(self, x: int) -> int:
        """A method."""
        return x

    @staticmethod
    @sightline.tool("t")
    def static(x: int) -> int:
        """A static method."""
        return x


assert_type(bare("q", k=3), list[str])
assert_type(with_arguments("q"), list[str])
assert_type(generator("p"), Iterator[str])
assert_type(async_generator("p", temperature=1.0), AsyncIterator[str])
assert_type(Pipeline().method(1), int)
assert_type(Pipeline.static(1), int)
typed: Callable[[str], Coroutine[Any, Any, str]] = coroutine

with sightline.embedding("m", provider="p") as span:
    assert_type(span, Span)


async def block() -> str:
    """An async block."""
    async with sightline.agent("a"):
        return await coroutine("q")


tracing = sightline.configure(service_name="svc", capture="truncated")
assert_type(tracing.stats().emitted, int)
assert_type(sightline.request_ids(), tuple[str, str])
sightline.identify(session="s", user=None)
sightline.annotate({"a": 1}, b=2)
sightline.record_documents([{"id": "1", "score": 0.5}], key=sightline.semconv.RERANK_DOCUMENTS)
sightline.score("faithfulness", 0.5, judge="j", error=None)
