"""Work that a request hands to a thread pool stays in its trace, with session, user and tenant."""

import asyncio
import concurrent.futures
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import ThreadPool
from typing import Any

import pytest
from opentelemetry import context as otel_context
from starlette.concurrency import run_in_threadpool

import sightline
from sightline import semconv
from sightline.instruments.thread_pools import carry_context
from sightline.testing import Spans

pytestmark = pytest.mark.usefixtures("no_context_errors")


@pytest.fixture(autouse=True)
def carried_context() -> Iterator[None]:
    """What configure() turns on."""
    undo = carry_context()
    yield
    undo()


@sightline.retrieval("Documents")
def search(question: str, top_k: int = 1) -> str:
    """Search."""
    return question * top_k


def in_one_trace(spans: Spans, searches: int) -> None:
    """Check that all searches are below the request and know whose it was."""
    request = spans.single("ask")
    found = [span for span in spans if span.name == "retrieval Documents"]
    assert len(found) == searches
    for span in found:
        assert request.context is not None
        assert span.parent is not None
        assert span.parent.span_id == request.context.span_id
        assert (span.attributes or {})[semconv.TENANT_ID] == "acme"
        assert (span.attributes or {})[semconv.SESSION_ID] == "s-1"


def submitted(pool: ThreadPoolExecutor) -> list[str]:
    """Use ``submit``, with keywords."""
    return [pool.submit(search, "a", top_k=2).result(), pool.submit(search, question="b").result()]


def mapped(pool: ThreadPoolExecutor) -> list[str]:
    """Use ``map``."""
    return list(pool.map(search, ["aa", "b"]))


def completed(pool: ThreadPoolExecutor) -> list[str]:
    """Use ``as_completed``."""
    futures = [pool.submit(search, "aa"), pool.submit(search, "b")]
    return sorted(future.result() for future in concurrent.futures.as_completed(futures))


def nested(pool: ThreadPoolExecutor) -> list[str]:
    """Submit from a thread of the pool."""
    return pool.submit(lambda: [pool.submit(search, text).result() for text in ("aa", "b")]).result()


@pytest.mark.parametrize("act", [submitted, mapped, completed, nested])
def test_thread_pools_keep_the_trace_and_whose_it_was(act: Any, spans: Spans) -> None:
    """``submit`` and ``map``: the searches are children of the request; the threads keep nothing afterwards."""
    with ThreadPoolExecutor(2) as pool:

        @sightline.request("ask")
        def ask() -> list[str]:
            sightline.identify(tenant="acme", session="s-1")
            return act(pool)  # type: ignore[no-any-return]

        assert ask() == ["aa", "b"]
        in_one_trace(spans, 2)
        assert pool.submit(otel_context.get_current).result() == {}


async def test_run_in_executor_keeps_the_trace(spans: Spans) -> None:
    """The loop's own executor, one of the application's, and ``asyncio.to_thread``, which copies the context itself."""
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1) as pool, sightline.request("ask"):
        sightline.identify(tenant="acme", session="s-1")
        waiting = [
            loop.run_in_executor(None, search, "a"),
            loop.run_in_executor(pool, search, "b"),
            asyncio.to_thread(search, "c", top_k=2),
        ]
        assert await asyncio.gather(*waiting) == ["a", "b", "cc"]
    in_one_trace(spans, 3)


async def test_parallel_retrieval_of_frameworks_keeps_the_trace(spans: Spans) -> None:
    """LangChain's parallel and batched runnables, Starlette's thread pool, and a pool class of an application."""
    runnables = pytest.importorskip("langchain_core.runnables")
    runnable = runnables.RunnableLambda(search)
    branches = runnables.RunnableParallel(first=runnable, second=runnable)

    class BoundedPool(ThreadPoolExecutor):
        """A pool that limits what waits, as applications make it."""

        def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Any:
            return super().submit(function, *args, **kwargs)

    with BoundedPool(1) as pool, sightline.request("ask"):
        sightline.identify(tenant="acme", session="s-1")
        assert branches.invoke("a") == {"first": "a", "second": "a"}
        assert runnable.batch(["a", "b"]) == ["a", "b"]
        assert await runnable.ainvoke("c") == "c"
        assert await run_in_threadpool(search, "d", top_k=2) == "dd"
        assert pool.submit(search, "e").result() == "e"
    in_one_trace(spans, 7)


def test_other_threads_begin_without_a_span(spans: Spans) -> None:
    """A thread of the application's own, and a pool of multiprocessing: the README names both."""
    with ThreadPool(1) as pool, sightline.request("ask"):
        thread = threading.Thread(target=search, args=("a",))
        thread.start()
        thread.join()
        assert pool.apply(search, ("b",)) == "b"
    assert [span.parent for span in spans if span.name == "retrieval Documents"] == [None, None]


def test_errors_and_cancelled_work_are_the_futures_own(spans: Spans) -> None:
    """An exception passes through; what never ran has no span."""
    started, go_on = threading.Event(), threading.Event()

    @sightline.tool("t")
    def broken() -> None:
        raise KeyError("k")

    def hold() -> None:
        started.set()
        go_on.wait(10)

    with ThreadPoolExecutor(1) as pool, sightline.request("ask"):
        with pytest.raises(KeyError):
            pool.submit(broken).result()
        pool.submit(hold)
        assert started.wait(10)
        assert pool.submit(search, "x").cancel()
        go_on.set()
    assert spans.names() == ["execute_tool t", "ask"]


def test_outside_of_a_span_and_after_undo_nothing_changes(spans: Spans) -> None:
    """Without a span the pool runs the function itself; undone, the method is the standard library's."""
    before: Any = ThreadPoolExecutor.submit
    undo = carry_context()
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(search, "x").result() == "x"
        assert spans.single().parent is None
    assert ThreadPoolExecutor.submit is not before
    undo()
    undo()
    assert ThreadPoolExecutor.submit is before
    assert ThreadPoolExecutor.submit.__name__ == "submit"
