"""Whatever inspects a decorated function sees the kind it was, and frameworks that ask get on with it."""

import asyncio
import contextlib
import functools
import inspect
import types
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient
from langchain_core.runnables import RunnableGenerator, RunnableLambda

import sightline
from sightline import semconv
from sightline.testing import Spans

pytestmark = pytest.mark.usefixtures("no_context_errors")

CHECKS = (inspect.isgeneratorfunction, inspect.isasyncgenfunction, inspect.iscoroutinefunction)


def plain(x: Any = 1) -> Any:
    """Return."""
    return x


def generator(x: Any = 1) -> Iterator[Any]:
    """Yield twice."""
    yield x
    yield x


async def agenerator(x: Any = 1) -> AsyncIterator[Any]:
    """Yield twice."""
    yield x
    yield x


async def coroutine(x: Any = 1) -> Any:
    """Return."""
    return x


FUNCTIONS = [plain, generator, agenerator, coroutine]


def kinds(function: Any) -> list[bool]:
    """Return what ``inspect`` says of a callable."""
    return [check(function) for check in CHECKS]


def callable_object(function: Any) -> Any:
    """Return an object whose ``__call__`` is the function."""
    return type("Callable", (), {"__call__": staticmethod(function)})()


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("decorator", [sightline.trace, sightline.llm("m"), sightline.request(capture="none")])
def test_a_decorated_function_is_of_the_kind_it_was(function: Any, decorator: Any) -> None:
    """Also without configure(), in partials, twice decorated, and as any kind of method in either order."""
    expected = kinds(function)
    decorated = decorator(function)
    assert kinds(decorated) == expected
    assert kinds(sightline.tool(decorated)) == expected
    assert kinds(functools.partial(decorated, 1)) == expected
    assert kinds(decorator(functools.partial(function, 1))) == expected
    assert inspect.isfunction(decorated)
    assert decorated.__name__ == function.__name__

    class Holder:
        method = decorator(lambda self: None) if function is plain else decorator(function)
        static = staticmethod(decorator(function))
        static_below = decorator(staticmethod(function))
        class_method = classmethod(decorator(function))
        class_method_below = decorator(classmethod(function))
        partial_method = decorator(functools.partialmethod(function))
        __call__ = decorator(function)

    holder = Holder()
    for name in ("method", "static", "static_below", "class_method", "class_method_below", "partial_method"):
        assert kinds(getattr(holder, name)) == expected, name
    assert kinds(holder.__call__) == expected


@pytest.mark.parametrize("function", FUNCTIONS)
def test_an_object_with_a_call_method_becomes_a_function_of_its_kind(function: Any, spans: Spans) -> None:
    """Frameworks ask a callable object for the kind of its ``__call__``; decorated, it is a function of that kind."""
    for decorated in (
        sightline.trace("t")(callable_object(function)),
        sightline.trace("t")(functools.partial(callable_object(function), 1)),
    ):
        assert kinds(decorated) == kinds(function)
    assert len(spans) == 0


@pytest.mark.parametrize("decorate", [lambda function: function, sightline.workflow("w")])
def test_generators_can_be_driven_and_inspected(decorate: Callable[[Any], Any], spans: Spans) -> None:
    """``send``, ``throw``, ``close``, ``yield from``, ``gi_*`` and the state, as of an undecorated generator."""

    @decorate
    def echo() -> Iterator[Any]:
        value = "first"
        while True:
            try:
                value = yield value
            except KeyError as error:
                value = f"caught {error}"

    stream: Any = echo()
    assert inspect.isgenerator(stream)
    assert isinstance(stream, types.GeneratorType)
    assert inspect.getgeneratorstate(stream) == inspect.GEN_CREATED
    assert next(stream) == "first"
    assert stream.send("second") == "second"
    assert stream.throw(KeyError("k")) == "caught 'k'"
    assert stream.gi_code.co_name == "echo"
    assert (stream.gi_running, stream.gi_yieldfrom, stream.gi_frame is None) == (False, None, False)
    assert inspect.getgeneratorlocals(stream)["value"] == "caught 'k'"
    stream.close()
    assert inspect.getgeneratorstate(stream) == inspect.GEN_CLOSED

    def outer() -> Iterator[Any]:
        return (yield from decorate(generator)("x"))

    assert list(outer()) == ["x", "x"]
    with contextlib.contextmanager(decorate(generator_once))() as entered:
        assert entered == 7


async def test_async_generators_can_be_driven_and_inspected(spans: Spans) -> None:
    """The same for ``asend``, ``athrow``, ``aclose`` and ``ag_*``."""

    @sightline.workflow
    async def echo() -> AsyncIterator[Any]:
        value = "first"
        while True:
            try:
                value = yield value
            except KeyError as error:
                value = f"caught {error}"

    stream: Any = echo()
    assert inspect.isasyncgen(stream)
    assert await anext(stream) == "first"
    assert await stream.asend("second") == "second"
    assert await stream.athrow(KeyError("k")) == "caught 'k'"
    assert (stream.ag_running, stream.ag_code.co_name) == (False, "echo")
    await stream.aclose()
    async with contextlib.asynccontextmanager(sightline.trace(agenerator_once))() as entered:
        assert entered == 7
    assert len(spans) == 2


def generator_once() -> Iterator[int]:
    """Yield once, as a context manager does."""
    yield 7


async def agenerator_once() -> AsyncIterator[int]:
    """Yield once, as a context manager does."""
    yield 7


async def test_langchain_runs_decorated_functions_of_every_kind(spans: Spans) -> None:
    """Generators are run, not handed on; results are those of the undecorated functions."""
    for decorate in (lambda function: function, sightline.tool):

        @decorate
        def words(text: str) -> Iterator[str]:
            yield from text.split()

        @decorate
        async def awords(text: str) -> AsyncIterator[str]:
            for word in text.split():
                yield word

        @decorate
        def upper(chunks: Iterator[str]) -> Iterator[str]:
            for chunk in chunks:
                yield chunk.upper()

        @decorate
        async def aupper(chunks: AsyncIterator[str]) -> AsyncIterator[str]:
            async for chunk in chunks:
                yield chunk.upper()

        @decorate
        def shout(text: str) -> str:
            return f"{text}!"

        @decorate
        async def ashout(text: str) -> str:
            return f"{text}!"

        begin: Any = RunnableLambda(lambda text: text)
        assert (begin | RunnableLambda(words) | shout).invoke("a b") == "ab!"
        assert list((begin | RunnableLambda(words) | RunnableGenerator(upper)).stream("a b")) == ["A", "B"]
        assert (begin | upper).invoke("a") == "A"
        both: Any = RunnableLambda(words, awords) | RunnableGenerator(upper, aupper) | RunnableLambda(shout, ashout)
        assert await both.ainvoke("a b") == "AB!"
        assert [
            chunk async for chunk in (RunnableLambda(words, awords) | RunnableGenerator(aupper)).astream("a b")
        ] == [
            "A",
            "B",
        ]
        assert await RunnableLambda(awords).ainvoke("a b") == "ab"
    assert {span.name.rpartition(" ")[2] for span in spans} == {"words", "awords", "upper", "aupper", "shout", "ashout"}
    assert {(span.attributes or {}).get(semconv.STREAM_OUTCOME) for span in spans} == {"completed", None}


def test_properties_stay_properties_and_their_getter_is_traced(spans: Spans) -> None:
    """A decorator above a property, a cached property or a property with a setter traces each computed read."""

    class Answer:
        computed = 0

        @sightline.trace
        @property
        def plain(self) -> str:
            """Read me."""
            return "plain"

        @sightline.retrieval("Documents")
        @functools.cached_property
        def cached(self) -> int:
            """Read me."""
            self.computed += 1
            return self.computed

        @property
        def settable(self) -> int:
            return self.computed

        @settable.setter
        def settable(self, value: int) -> None:
            self.computed = value

        settable = sightline.trace("settable")(settable)

    answer = Answer()
    assert isinstance(Answer.__dict__["plain"], property)
    assert isinstance(Answer.__dict__["cached"], functools.cached_property)
    assert Answer.plain.__doc__ == Answer.cached.__doc__ == "Read me."
    assert (answer.plain, answer.cached, answer.cached) == ("plain", 1, 1)
    answer.settable = 5
    assert answer.settable == 5
    assert spans.names() == ["Answer.plain", "retrieval Documents", "settable"]


@types.coroutine
def below(x: Any = 1) -> Any:
    """A generator-based coroutine."""
    yield from asyncio.sleep(0)
    return x


def above(x: Any = 1) -> Any:
    """What ``types.coroutine`` makes one of."""
    yield
    return x


def returning(x: Any = 1) -> Any:
    """Return what has to be awaited."""
    return below(x)


async def await_in_task(function: Any) -> Any:
    """Await a call in a task of its own."""
    return await asyncio.create_task(awaiting(function))


async def awaiting(function: Any) -> Any:
    """Await a call."""
    return await function(x=7)


@pytest.mark.parametrize("decorator", [sightline.trace("t"), sightline.llm("m")])
@pytest.mark.parametrize(
    "make",
    [
        lambda decorator: decorator(below),
        lambda decorator: types.coroutine(decorator(above)),
        lambda decorator: decorator(decorator(below)),
        lambda decorator: decorator(functools.partial(below, x=1)),
        lambda decorator: decorator(type("Holder", (), {"__call__": staticmethod(below)})()),
        lambda decorator: decorator(returning),
    ],
    ids=["below", "above", "twice", "partial", "object", "returned"],
)
async def test_a_coroutine_made_of_a_generator_can_be_awaited(decorator: Any, make: Any, spans: Spans) -> None:
    """Before and after ``types.coroutine``: awaited, delegated to, its result its own, and no stream in the span."""
    decorated = make(decorator)
    assert await await_in_task(decorated) == 7
    assert {key for key in next(iter(spans)).attributes or {} if "stream" in key} == set()
    assert (next(iter(spans)).attributes or {})[semconv.OUTPUT] == "7"

    @types.coroutine
    def outer() -> Any:
        return (yield from decorated(x=8))

    assert await outer() == 8
    call = decorated(x=9)
    assert inspect.isgenerator(call)
    assert inspect.isawaitable(call)
    call.close()  # nothing is left that was never awaited: warnings are errors


async def test_a_failing_coroutine_made_of_a_generator_ends_its_span(spans: Spans) -> None:
    """An error passes through, and so does a cancellation."""

    @sightline.trace("t")
    @types.coroutine
    def broken() -> Any:
        yield
        raise KeyError("k")

    with pytest.raises(KeyError):
        await broken()
    task = asyncio.create_task(awaiting(sightline.trace("u")(types.coroutine(sleeping))))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert spans.attributes("t")[semconv.ERROR_TYPE] == "KeyError"
    assert spans.attributes("u")[semconv.SPAN_CANCELLED] is True


def sleeping(x: Any) -> Any:
    """Wait until cancelled."""
    while True:
        yield


def test_a_decorated_dependency_of_fastapi_is_run_as_a_generator(spans: Spans) -> None:
    """What is behind its ``yield`` runs after the request, sync or async."""
    events: list[str] = []
    app = FastAPI()

    @sightline.trace
    def place() -> Iterator[str]:
        yield "place"
        events.append("place left")

    @sightline.trace
    async def aplace() -> AsyncIterator[str]:
        yield "aplace"
        events.append("aplace left")

    @app.get("/")
    def read(one: str = Depends(place), two: str = Depends(aplace)) -> list[str]:
        return [one, two]

    with TestClient(app) as client:
        assert client.get("/").json() == ["place", "aplace"]
    assert sorted(events) == ["aplace left", "place left"]


class ForeignDescriptor:
    """A descriptor that is not of the standard library."""

    def __init__(self, function: Any) -> None:
        self.function = function

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self.function(instance)


class NarrowProperty(property):
    """A property that cannot be made anew from its functions."""

    def __init__(self, getter: Any) -> None:
        super().__init__(getter)


@pytest.mark.parametrize(
    "thing", [ForeignDescriptor(plain), NarrowProperty(plain), property(), functools.singledispatchmethod(plain), 5]
)
def test_what_cannot_be_traced_is_refused_at_decoration(thing: Any) -> None:
    """A clear TypeError names the right order; nothing is turned into a method without a word."""
    with pytest.raises(TypeError, match=rf"this {type(thing).__name__} cannot be traced: put .* directly above"):
        sightline.trace(thing)


def test_a_setter_of_a_traced_property_is_refused() -> None:
    """Above ``@name.setter`` stands a property whose getter has its span already."""
    traced: Any = sightline.trace(property(plain))
    with pytest.raises(TypeError, match="directly above the function"):
        sightline.trace(traced.setter(plain))
