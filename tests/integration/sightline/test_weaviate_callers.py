"""Spans around and below a call of Weaviate: the caller's retrieval, tasks and threads, other clients, the server."""

from __future__ import annotations

import asyncio
import concurrent.futures

import pytest
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.trace import StatusCode
from weaviate_place import IDS, VECTOR, Do, Place, attributes, documents, only

import sightline
from sightline import semconv, sketch
from sightline.testing import Spans
from sightline.weaviate import WeaviateInstrumentor

# weaviate-client and grpc leave sockets to the garbage collector when a server dies under them.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def test_callers_own_retrieval_stays_the_only_one(do: Do, spans: Spans) -> None:
    """Inside @sightline.retrieval the client's span has no stage, and the caller's span learns what it lacks."""
    with sightline.retrieval(attributes={semconv.DB_NAMESPACE: "mine"}):
        do(lambda client: client.collections.get("Docs").query.near_vector(VECTOR, limit=2))
    inner, outer = spans
    assert [inner.name, outer.name] == ["near_vector Docs", "retrieval Docs"]
    assert semconv.STAGE not in attributes(inner)
    assert semconv.GEN_AI_OPERATION_NAME not in attributes(inner)
    assert semconv.RETRIEVAL_DOCUMENTS not in attributes(inner)
    told = attributes(outer)
    assert told[semconv.DB_NAMESPACE] == "mine"
    assert told[semconv.DB_COLLECTION_NAME] == told[semconv.GEN_AI_DATA_SOURCE_ID] == "Docs"
    assert told[semconv.GEN_AI_REQUEST_TOP_K] == 2
    assert told[semconv.DB_RESPONSE_RETURNED_ROWS] == 2
    assert told[semconv.QUERY_SKETCH] == sketch.sketch(VECTOR)
    assert told[semconv.RETRIEVAL_SEARCHES] == 1
    assert semconv.RETRIEVAL_EMPTY not in told
    assert told[semconv.RETRIEVAL_SERVER_DURATION] == attributes(inner)[semconv.RETRIEVAL_SERVER_DURATION]
    assert len(documents(outer)) == 2


def test_documents_of_several_searches_in_one_retrieval_are_joined(do: Do, spans: Spans) -> None:
    """Each id once, in the order of the results; documents that the caller records itself are left alone."""
    with sightline.retrieval("Fused", top_k=7):
        do(lambda client: client.collections.get("Docs").query.bm25("xylophone", limit=2))
        do(lambda client: client.collections.get("Docs").query.bm25("folder", limit=2))
        do(lambda client: client.collections.get("Docs").query.bm25("folder list", limit=2))
    outer = spans.single("retrieval Fused")
    assert [row["id"] for row in documents(outer)] == IDS[:2]
    assert attributes(outer)[semconv.DB_RESPONSE_RETURNED_ROWS] == 2
    assert attributes(outer)[semconv.RETRIEVAL_SEARCHES] == 3
    assert attributes(outer)[semconv.RETRIEVAL_EMPTY] is False
    assert attributes(outer)[semconv.GEN_AI_REQUEST_TOP_K] == 7
    spans.clear()
    with sightline.retrieval("Fused"):
        sightline.record_documents([{"id": "mine", "score": 1.0}])
        do(lambda client: client.collections.get("Docs").query.bm25("folder", limit=2))
    assert [row["id"] for row in documents(spans.single("retrieval Fused"))] == ["mine"]


def test_server_continues_the_trace(do: Do, spans: Spans, place: Place) -> None:
    """Weaviate's own spans, of gRPC and of HTTP, are children of ours; baggage does not go along."""
    do(lambda client: client.collections.get("Docs").query.near_vector(VECTOR, limit=1))
    do(lambda client: client.collections.get("Docs").data.exists(IDS[0]))
    search, write = spans
    assert place.sink.child_of(search).name == "/weaviate.v1.Weaviate/Search"
    assert place.sink.child_of(write).name.startswith("HEAD /v1/objects/")
    assert search.context is not None
    assert place.sink.child_of(search).trace_id == search.context.trace_id.to_bytes(16, "big")
    WeaviateInstrumentor().instrument(propagate=False)
    try:
        spans.clear()
        do(lambda client: client.collections.get("Docs").query.near_vector(VECTOR, limit=1))
        with pytest.raises(AssertionError, match="none below"):
            place.sink.child_of(only(spans), timeout_s=0.5)
    finally:
        WeaviateInstrumentor().instrument()


def test_httpx_spans_of_others_fit_in_between(do: Do, spans: Spans, place: Place) -> None:
    """With the httpx instrumentation beside it: ours, then httpx's, then the server's, in one line."""
    HTTPXClientInstrumentor().instrument(tracer_provider=spans.provider)
    try:
        do(lambda client: client.collections.get("Docs").data.exists(IDS[0]))
    finally:
        HTTPXClientInstrumentor().uninstrument()
    theirs, ours = spans
    assert [theirs.name, ours.name] == ["HEAD", "exists Docs"]
    assert ours.context is not None
    assert theirs.parent is not None
    assert theirs.parent.span_id == ours.context.span_id
    assert place.sink.child_of(theirs).name.startswith("HEAD /v1/objects/")


def test_concurrent_searches_keep_their_own_spans(place: Place, spans: Spans) -> None:
    """Twenty at once, in tasks and in threads: each result is on its own span, below its own caller."""

    async def one(number: int) -> None:
        with sightline.trace(f"task {number}"):
            await place.async_client.collections.get("Docs").query.near_vector(VECTOR, limit=1 + number % 4)

    async def all_of_them() -> None:
        await asyncio.gather(*(one(number) for number in range(20)))

    place.loop.run_until_complete(all_of_them())

    def other(number: int) -> None:
        with sightline.trace(f"thread {number}"):
            place.client.collections.get("Docs").query.near_vector(VECTOR, limit=1 + number % 4)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(other, range(20)))
    searches = [span for span in spans if span.name == "retrieval Docs"]
    assert len(searches) == 40
    by_id = {span.context.span_id: span for span in spans if span.context}
    for span in searches:
        assert span.parent is not None
        number = int(by_id[span.parent.span_id].name.split()[1])
        assert len(documents(span)) == attributes(span)[semconv.GEN_AI_REQUEST_TOP_K] == 1 + number % 4


def test_async_search_starts_when_it_is_awaited_and_may_be_cancelled(place: Place, spans: Spans) -> None:
    """Gathered calls are children of who made them; a cancelled one is marked as such, not as an error."""

    async def go() -> None:
        docs = place.async_client.collections.get("Docs")
        with sightline.trace("both"):
            await asyncio.gather(docs.query.bm25("folder"), docs.query.near_vector(VECTOR, limit=1))
        task = asyncio.ensure_future(docs.query.bm25("list"))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    place.loop.run_until_complete(go())
    both = spans.single("both")
    searches = [span for span in spans if span.name == "retrieval Docs"]
    assert both.context is not None
    assert [span.parent.span_id if span.parent else None for span in searches] == [both.context.span_id] * 2 + [None]
    assert attributes(searches[2])[semconv.SPAN_CANCELLED] is True
    assert searches[2].status.status_code is StatusCode.UNSET
