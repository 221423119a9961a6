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
sightline.feedback(True, request_id=sightline.request_ids(), comment="good", user="u")
sightline.feedback(0.5, label="meh", request_id="00" * 16, name="helpful")
sightline.link({"traceparent": "00-..."}, kind="message")
sightline.link("00" * 16, "00" * 8)

report = sightline.instrument(only=["fastapi", "httpx"], exclude={"redis"})
assert_type(report, sightline.InstrumentationReport)
assert_type(report.on, tuple[str, ...])
assert_type(report["httpx"].reason, str)
for entry in report.problems:
    assert_type(entry.library, str)
sightline.uninstrument()

masked = sightline.masks.EMAIL | sightline.masks.CARD | str.upper
assert_type(masked, sightline.masks.Mask)
assert_type(masked("text"), str)
sightline.configure(redact=sightline.masks.ALL, sample_ratio=0.1)
assert_type(tracing.metric_stats(), sightline.Stats)


class Repository:
    """Class methods, and per-class use."""

    @classmethod
    @sightline.retrieval("Documents", top_k=3)
    def search(cls, question: str) -> list[str]:
        """Search."""
        return [question]

    @sightline.llm("m")
    async def stream(self, prompt: str) -> AsyncIterator[str]:
        """Stream."""
        yield prompt


assert_type(Repository.search("q"), list[str])
assert_type(Repository().stream("p"), AsyncIterator[str])
sightline.record_search(query="q", vector=[0.1, 0.2], top_k=3, filters={"a": 1}, collection="Documents", tenant="t")
