"""Decorators and blocks: names, stages, results, errors, signatures, and nothing that breaks user code."""

import asyncio
import functools
import inspect
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.trace import INVALID_SPAN, SpanKind, StatusCode, get_current_span

import sightline
from sightline import semconv
from sightline.testing import Spans, TickingClock, captured

STAGES = [
    (sightline.trace, "", "named", SpanKind.INTERNAL),
    (sightline.request, "request", "named", SpanKind.INTERNAL),
    (sightline.workflow, "workflow", "invoke_workflow named", SpanKind.INTERNAL),
    (sightline.guardrail, "guard", "guardrail named", SpanKind.INTERNAL),
    (sightline.embedding, "embed", "embeddings named", SpanKind.CLIENT),
    (sightline.retrieval, "search", "retrieval named", SpanKind.CLIENT),
    (sightline.rerank, "rerank", "rerank named", SpanKind.INTERNAL),
    (sightline.llm, "model", "chat named", SpanKind.CLIENT),
    (sightline.tool, "tool", "execute_tool named", SpanKind.INTERNAL),
    (sightline.agent, "agent", "invoke_agent named", SpanKind.INTERNAL),
]


@pytest.mark.parametrize(("decorator", "stage", "name", "kind"), STAGES)
def test_every_decorator_in_every_form(decorator: Any, stage: str, name: str, kind: SpanKind, spans: Spans) -> None:
    """Bare, called, named, as a block and as an async block: one span each, same stage."""

    @decorator
    def bare(x: int) -> int:
        return x + 1

    @decorator()
    def called(x: int) -> int:
        return x + 1

    @decorator("named")
    def named(x: int) -> int:
        return x + 1

    async def block() -> None:
        async with decorator("named"):
            pass

    assert (bare(1), called(1), named(1)) == (2, 2, 2)
    with decorator("named") as span:
        assert get_current_span() is span
    asyncio.run(block())
    assert len(spans) == 5
    assert spans.names()[2:] == [name] * 3
    for recorded in spans:
        assert (recorded.attributes or {}).get(semconv.STAGE, "") == stage
        assert recorded.kind is kind
        assert recorded.status.status_code is StatusCode.UNSET


def test_conventions_of_the_stages(spans: Spans) -> None:
    """Operation, subject and provider are where the conventions want them."""
    with sightline.llm("m1", provider="openai", attributes={semconv.MODEL_NOTE: "n", "left.out": None}):
        pass
    with sightline.retrieval("Documents", top_k=5):
        pass
    model = spans.attributes("chat m1")
    assert model[semconv.GEN_AI_OPERATION_NAME] == "chat"
    assert model[semconv.GEN_AI_REQUEST_MODEL] == "m1"
    assert model[semconv.GEN_AI_PROVIDER_NAME] == "openai"
    assert model[semconv.MODEL_NOTE] == "n"
    assert "left.out" not in model
    search = spans.attributes("retrieval Documents")
    assert search[semconv.GEN_AI_DATA_SOURCE_ID] == "Documents"
    assert search[semconv.GEN_AI_REQUEST_TOP_K] == 5


def test_decorators_show_and_check_their_arguments(spans: Spans) -> None:
    """Help shows each parameter with its meaning; the target may be a keyword; other arguments are a TypeError."""
    assert list(inspect.signature(sightline.llm).parameters) == ["model", "name", "provider", "attributes", "capture"]
    for decorator, *_ in STAGES:
        for name in inspect.signature(decorator).parameters:
            assert f"    {name}: " in (decorator.__doc__ or ""), (decorator.__name__, name)
    with sightline.llm(model="m", provider="p"), sightline.trace(stage="cache"):
        pass
    assert spans.attributes("chat m")[semconv.GEN_AI_PROVIDER_NAME] == "p"
    assert spans.single(stage="cache").name == "cache"
    untyped: Any = sightline.llm
    for args, options, message in (
        (("m",), {"model": "n"}, "multiple values for argument 'model'"),
        (("m",), {"modell": "n"}, "unexpected keyword argument 'modell'"),
        (("m", "p"), {}, "positional"),
    ):
        with pytest.raises(TypeError, match=rf"llm\(\).*{message}"):
            untyped(*args, **options)


def test_model_annotated_later_completes_the_name(spans: Spans) -> None:
    """A model that is known only inside the call still names the span."""

    @sightline.llm
    def call() -> None:
        sightline.annotate({semconv.GEN_AI_REQUEST_MODEL: "m2"})

    call()
    assert spans.names() == ["chat m2"]


def test_signature_and_metadata_stay(spans: Spans) -> None:
    """Frameworks that look at signatures see the function."""

    @sightline.retrieval(capture="none")
    async def search(question: str, k: int = 5) -> list[str]:
        """Search."""
        return [question] * k

    assert str(inspect.signature(search)) == "(question: str, k: int = 5) -> list[str]"
    assert search.__doc__ == "Search."
    assert inspect.iscoroutinefunction(search)
    assert asyncio.run(search("a", k=2)) == ["a", "a"]


def test_methods_static_and_class_methods(spans: Spans) -> None:
    """Methods work and ``self`` is not captured."""

    class Retriever:
        @sightline.retrieval
        def one(self, q: str) -> str:
            return q

        @classmethod
        @sightline.retrieval
        def two(cls, q: str) -> str:
            return q

        @staticmethod
        @sightline.retrieval
        def three(q: str) -> str:
            return q

        @sightline.retrieval
        @classmethod
        def four(cls, q: str) -> str:
            return q

        @sightline.retrieval("D")
        @staticmethod
        def five(q: str) -> str:
            return q

    retriever = Retriever()
    assert (retriever.one("a"), retriever.two("b"), Retriever.three("c")) == ("a", "b", "c")
    assert (retriever.four("d"), Retriever.five("e")) == ("d", "e")
    assert [(span.attributes or {})[semconv.INPUT] for span in spans] == ["a", "b", "c", "d", "e"]


def test_callables_without_a_name(spans: Spans) -> None:
    """Partials and callable objects can be decorated."""
    assert sightline.tool(functools.partial(max, 1))(2) == 2
    assert spans.names() == ["execute_tool partial"]


def test_errors_pass_and_are_recorded(spans: Spans) -> None:
    """The exception is the caller's; the span says what it was."""

    class Custom(Exception):
        pass

    @sightline.tool("t")
    def broken() -> None:
        raise Custom("why")

    with pytest.raises(Custom, match="why"):
        broken()
    span = spans.single()
    assert span.status.status_code is StatusCode.ERROR
    assert str((span.attributes or {})[semconv.ERROR_TYPE]).endswith("Custom")
    event = (span.events[0].attributes or {})[semconv.EXCEPTION_MESSAGE]
    assert event == "why"
    assert get_current_span() is INVALID_SPAN


def test_block_records_errors(spans: Spans) -> None:
    """The same for a block."""
    with pytest.raises(KeyError), sightline.tool("t"):
        raise KeyError("k")
    assert spans.single().status.status_code is StatusCode.ERROR


async def test_cancelled_coroutine_is_no_error(spans: Spans) -> None:
    """A cancelled call says so, without an error of its own."""

    @sightline.tool("t")
    async def slow() -> None:
        await asyncio.sleep(60)

    task = asyncio.create_task(slow())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert spans.attributes()[semconv.SPAN_CANCELLED] is True
    assert spans.single().status.status_code is StatusCode.UNSET


async def test_function_that_returns_a_coroutine(spans: Spans) -> None:
    """A plain function that hands out a coroutine is followed until that ends."""

    async def inner() -> str:
        with sightline.trace("inside"):
            return "x"

    @sightline.workflow("w")
    def call() -> Any:
        return inner()

    assert await call() == "x"
    assert spans.tree() == "invoke_workflow w\n  inside"


async def test_concurrent_tasks_keep_their_parents(spans: Spans) -> None:
    """Tasks that run at once do not mix."""

    @sightline.trace
    async def leaf() -> None:
        await asyncio.sleep(0)

    @sightline.workflow
    async def branch() -> None:
        await asyncio.gather(leaf(), leaf())

    await asyncio.gather(branch(), branch())
    parents = [span.parent.span_id for span in spans if span.parent is not None]
    assert sorted(parents.count(each) for each in set(parents)) == [2, 2]


def test_nested_request_is_a_workflow(spans: Spans) -> None:
    """A request inside a request is a part of it; the next one is a request again."""

    @sightline.request("r")
    def ask(depth: int) -> None:
        if depth:
            ask(depth - 1)

    ask(1)
    ask(0)
    assert [(span.attributes or {})[semconv.STAGE] for span in spans] == ["workflow", "request", "request"]


def test_tree_with_a_clock_of_its_own() -> None:
    """Fixed ids and a ticking clock make a tree that can be compared."""
    with captured(clock=TickingClock()) as spans:
        with sightline.request("r"):
            with sightline.embedding("e"):
                pass
            with pytest.raises(ValueError, match="x"), sightline.llm("m"):
                raise ValueError("x")
        assert spans.times_ns(spans.single("r")) == (0, 5_000_000_000)
        assert spans.tree([semconv.SPAN_SEQUENCE]) == (
            "r sightline.span.sequence=1\n"
            "  embeddings e sightline.span.sequence=2\n"
            "  chat m sightline.span.sequence=3 ERROR"
        )
        with pytest.raises(AssertionError, match="embeddings e"):
            spans.single("nothing")


def test_recorded_leaves_out_the_call_and_keeps_what_its_code_records() -> None:
    """Neither arguments, result nor a stream's text are written; messages and documents are, as the setting says."""

    @sightline.llm("m", provider="p", capture="recorded")
    def stream(prompt: str) -> Iterator[str]:
        sightline.record_messages(input=[{"role": "user", "content": prompt}])
        yield "secret"
        sightline.record_messages(output="told")

    @sightline.retrieval("Documents", capture="recorded")
    def search(question: str) -> str:
        sightline.record_documents([{"id": "d1", "score": 1.0, "content": "passage"}])
        return question

    with captured() as spans:
        list(stream("why"))
        search("why")
    model, found = spans.attributes("chat m"), spans.attributes("retrieval Documents")
    assert "told" in model[semconv.GEN_AI_OUTPUT_MESSAGES]
    assert "why" in model[semconv.GEN_AI_INPUT_MESSAGES]
    assert "passage" in found[semconv.RETRIEVAL_DOCUMENTS]
    assert not {semconv.INPUT, semconv.OUTPUT, semconv.INPUT_LENGTH, semconv.OUTPUT_LENGTH} & {*model, *found}


async def test_a_call_that_never_begins_ends_its_span(spans: Spans) -> None:
    """Arguments that do not fit; a returned coroutine whose task is cancelled at once, or that is closed."""

    @sightline.trace
    async def answer(question: str) -> str:
        return question

    with pytest.raises(TypeError):
        await answer()  # type: ignore[call-arg]

    @sightline.trace("later")
    def later() -> Any:
        return answer("why")

    task = asyncio.create_task(later())
    assert "answer" in repr(task)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    later().close()
    assert await later() == "why"
    del task
    await asyncio.sleep(0)  # the loop lets go of the task
    cancelled = [(span.name, (span.attributes or {}).get(semconv.SPAN_CANCELLED)) for span in spans if not span.parent]
    assert [flag for name, flag in cancelled if name == "later"].count(True) == 2
    assert (next(iter(spans)).attributes or {})[semconv.ERROR_TYPE] == "TypeError"
