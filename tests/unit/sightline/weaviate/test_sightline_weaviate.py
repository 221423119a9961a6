"""The Weaviate instrumentation on the real client, with a server that is a list of answers: what no server does."""

from __future__ import annotations

import asyncio
import importlib.metadata
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from opentelemetry import baggage, context
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from weaviate.classes.init import Timeout
from weaviate.classes.query import Filter
from weaviate.collections.collection import Collection, CollectionAsync
from weaviate.config import ConnectionConfig
from weaviate.connect.base import ConnectionParams
from weaviate.connect.v4 import ConnectionAsync, ConnectionSync
from weaviate.proto.v1 import search_get_pb2
from weaviate.util import _ServerVersion

import sightline
from sightline import faults, semconv
from sightline.testing import Spans, captured
from sightline.weaviate import WeaviateInstrumentor

UUID = "00000000-0000-0000-0000-000000000001"


class Unavailable(grpc.RpcError):  # type: ignore[misc]
    """What gRPC raises while nobody listens."""

    def code(self) -> Any:
        """The status."""
        return grpc.StatusCode.UNAVAILABLE

    def details(self) -> str:
        """What it says."""
        return "nobody listens"


def reply(distance: float | None = 0.25, rows: int = 1, took: float = 0.002) -> Any:
    """An answer with rows of one distance."""
    answer = search_get_pb2.SearchReply(took=took)
    for number in range(rows):
        found = answer.results.add()
        found.metadata.id_as_bytes = (number + 1).to_bytes(16, "big")
        found.properties.non_ref_props.fields["text"].text_value = "some text"
        if distance is not None:
            found.metadata.distance = distance
            found.metadata.distance_present = True
    return answer


class Stub:
    """The gRPC stub: remembers requests and metadata, answers in turn."""

    def __init__(self) -> None:
        self.answers: list[Any] = []
        self.requests: list[Any] = []
        self.metadata: list[dict[str, str]] = []
        self.seen: Callable[[], None] = lambda: None

    def Search(self, request: Any, metadata: Any = None, timeout: Any = None) -> Any:  # noqa: N802
        """Answer a search."""
        copy = type(request)()
        copy.CopyFrom(request)
        self.requests.append(copy)
        self.metadata.append(dict(metadata or ()))
        self.seen()
        answer = self.answers.pop(0) if self.answers else reply()
        if isinstance(answer, Exception):
            raise answer
        return answer


class AsyncStub(Stub):
    """The same for the async client."""

    async def Search(self, request: Any, metadata: Any = None, timeout: Any = None) -> Any:  # type: ignore[override]  # noqa: N802
        """Answer a search."""
        await asyncio.sleep(0)
        return Stub.Search(self, request, metadata, timeout)


def connection(kind: Any, stub: Stub) -> Any:
    """A connection that believes to be connected."""
    made = kind(
        connection_params=ConnectionParams.from_url("http://db.example:8080", 50051),
        auth_client_secret=None,
        timeout_config=Timeout(),
        proxies=None,
        trust_env=False,
        additional_headers={"x-mine": "1"},
        connection_config=ConnectionConfig(),
    )
    made._connected = True
    made._grpc_stub = stub
    made._weaviate_version = _ServerVersion(1, 35, 2)
    return made


@pytest.fixture
def stub() -> Stub:
    """A server without a socket."""
    return Stub()


@pytest.fixture
def docs(stub: Stub) -> Collection[Any, Any]:
    """A collection on it."""
    return Collection(connection(ConnectionSync, stub), "Docs", validate_arguments=True)


@pytest.fixture(autouse=True)
def _instrumented(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("time.sleep", lambda _: None)
    faults.reset()
    assert WeaviateInstrumentor().instrument()
    yield
    WeaviateInstrumentor().uninstrument()
    assert faults.counts() == {}


@pytest.fixture
def spans() -> Iterator[Spans]:
    """Spans in memory, with content."""
    with captured() as spans:
        yield spans


def test_retries_are_counted_and_the_last_answer_counts(stub: Stub, docs: Collection[Any, Any], spans: Spans) -> None:
    """Two refusals, then an answer: two retries, one span, the scores of the answer, and nothing asked for twice."""
    stub.answers = [Unavailable(), Unavailable(), reply(distance=0.5)]
    answer = docs.query.near_vector([1.0, 0.0])
    attributes = spans.attributes("retrieval Docs")
    assert attributes[semconv.DB_RETRIES] == 2
    assert attributes[semconv.RETRIEVAL_SERVER_DURATION] == pytest.approx(0.002)
    assert '"score":0.5' in attributes[semconv.RETRIEVAL_DOCUMENTS]
    assert answer.objects[0].metadata.distance is None
    assert [request.metadata.distance for request in stub.requests] == [True] * 3


def test_a_reply_with_few_numbers_gives_few_attributes(stub: Stub, docs: Collection[Any, Any], spans: Spans) -> None:
    """No server time, no distance: neither is invented."""
    stub.answers = [reply(distance=None, took=0.0)]
    docs.query.near_vector([1.0, 0.0])
    attributes = spans.attributes("retrieval Docs")
    assert semconv.RETRIEVAL_SERVER_DURATION not in attributes
    assert attributes[semconv.RETRIEVAL_DOCUMENTS] == f'[{{"id":"{UUID}","score":null,"content":"some text"}}]'


def test_scores_need_not_be_asked_for(stub: Stub, docs: Collection[Any, Any], spans: Spans) -> None:
    """With ``ask_for_scores=False`` a request is what the caller made it."""
    WeaviateInstrumentor().instrument(ask_for_scores=False)
    stub.answers = [reply(distance=None)]
    docs.query.near_vector([1.0, 0.0])
    assert not stub.requests[0].metadata.distance
    assert spans.attributes("retrieval Docs")[semconv.DB_RESPONSE_RETURNED_ROWS] == 1


def test_calls_that_are_not_recorded_are_left_alone(stub: Stub, docs: Collection[Any, Any]) -> None:
    """What the sampler drops asks the server for nothing more, and still says so to the server."""
    with captured(sampler=ALWAYS_OFF) as spans:
        docs.query.near_vector([1.0, 0.0])
    assert len(spans) == 0
    assert not stub.requests[0].metadata.distance
    assert int(stub.metadata[0]["traceparent"].rpartition("-")[2], 16) & 1 == 0


def test_trace_goes_along_and_baggage_does_not(stub: Stub, docs: Collection[Any, Any], spans: Spans) -> None:
    """Users and tenants in baggage are nobody's business at the database; the client's own headers stay."""
    token = context.attach(baggage.set_baggage("user.id", "somebody"))
    try:
        docs.query.near_vector([1.0, 0.0])
    finally:
        context.detach(token)
    span = spans.single("retrieval Docs")
    assert span.context is not None
    assert stub.metadata[0]["traceparent"].split("-")[2] == f"{span.context.span_id:016x}"
    assert "baggage" not in stub.metadata[0]
    assert stub.metadata[0]["x-mine"] == "1"


def test_client_that_was_made_before_is_traced_too(stub: Stub, spans: Spans) -> None:
    """Instrumenting late is no mistake."""
    WeaviateInstrumentor().uninstrument()
    early = Collection(connection(ConnectionSync, stub), "Docs", validate_arguments=True)
    early.query.near_vector([1.0])
    assert WeaviateInstrumentor().instrument()
    early.query.near_vector([1.0])
    assert spans.names() == ["retrieval Docs"]
    assert "traceparent" not in stub.metadata[0]


def test_search_below_a_helper_inside_a_retrieval(docs: Collection[Any, Any], spans: Spans) -> None:
    """A retrieval that ended counts no more, one of another kind never did."""

    @sightline.retrieval("Mine")
    def search() -> None:
        docs.query.near_vector([1.0, 0.0])

    search()
    with sightline.embedding("m"):
        docs.query.near_vector([1.0, 0.0])
    assert spans.names() == ["near_vector Docs", "retrieval Mine", "retrieval Docs", "embeddings m"]


def test_callers_capture_setting_holds_for_the_search_below(docs: Collection[Any, Any], spans: Spans) -> None:
    """``capture="none"`` on the retrieval keeps content off its span and off the client's, whatever holds elsewhere."""
    with sightline.retrieval("Mine", capture="none"):
        docs.query.hybrid("a secret", vector=[1.0, 0.0], filters=Filter.by_property("a").equal("secret"))
    assert not any("secret" in str(span.attributes) or "some text" in str(span.attributes) for span in spans)
    assert spans.attributes("retrieval Mine")[semconv.RETRIEVAL_FILTER] == "a Equal ?"


def test_threads_of_one_retrieval_share_its_span(docs: Collection[Any, Any], spans: Spans) -> None:
    """Searches of one question in eight threads, each given the caller's context: all are counted, none is lost."""
    with sightline.retrieval("Mine"):
        here = context.get_current()

        def search() -> None:
            token = context.attach(here)
            try:
                docs.query.near_vector([1.0, 0.0])
            finally:
                context.detach(token)

        threads = [threading.Thread(target=search) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    attributes = spans.attributes("retrieval Mine")
    assert attributes[semconv.RETRIEVAL_SEARCHES] == 8
    assert attributes[semconv.DB_RESPONSE_RETURNED_ROWS] == 1
    assert attributes[semconv.RETRIEVAL_SERVER_DURATION] == pytest.approx(8 * 0.002)


def test_the_calls_span_is_current_while_it_runs(stub: Stub, docs: Collection[Any, Any], spans: Spans) -> None:
    """Instrumentations of gRPC and HTTP find it as their parent; afterwards the caller's own is current again."""
    seen: list[str] = []
    stub.seen = lambda: seen.append(sightline.current_span_id())
    with sightline.trace("outer"):
        before = sightline.current_span_id()
        docs.query.near_vector([1.0, 0.0])
        assert sightline.current_span_id() == before
    span = spans.single("retrieval Docs")
    assert span.context is not None
    assert seen == [f"{span.context.span_id:016x}"]


async def test_async_calls_are_traced_from_where_they_are_awaited(spans: Spans) -> None:
    """The span belongs to the context of the await, not of the call; retries are recorded there too."""
    stub = AsyncStub()
    docs: CollectionAsync[Any, Any] = CollectionAsync(
        connection(ConnectionAsync, stub), "Docs", validate_arguments=True
    )
    pending = docs.query.near_vector([1.0, 0.0])
    with sightline.trace("outer"):
        await pending
    outer, inner = spans.single("outer"), spans.single("retrieval Docs")
    assert outer.context is not None
    assert inner.parent is not None
    assert inner.parent.span_id == outer.context.span_id
    assert "traceparent" in stub.metadata[0]


def test_without_the_client_there_is_nothing_to_trace(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Not installed: quietly False. Version 3: loudly False."""
    instrumentor = WeaviateInstrumentor()
    instrumentor.uninstrument()

    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    with caplog.at_level(logging.WARNING):
        assert not instrumentor.instrument()
        assert caplog.messages == []
        monkeypatch.setattr(importlib.metadata, "version", lambda _: "3.26.7")
        assert not instrumentor.instrument()
    assert "3.26.7" in caplog.messages[0]
    assert not instrumentor.is_instrumented_by_opentelemetry
    assert instrumentor.instrumentation_dependencies() == ("weaviate-client >= 4.19, < 5",)


def test_a_client_without_private_classes_is_still_traced(
    monkeypatch: pytest.MonkeyPatch, docs: Collection[Any, Any], spans: Spans, caplog: pytest.LogCaptureFixture
) -> None:
    """Another version may have no retry loop to hook: spans come without server time, and the log says what lacks."""
    from sightline.weaviate import instrumentor as module

    WeaviateInstrumentor().uninstrument()
    monkeypatch.setattr(module, "HOOKS", (("weaviate.retry", "_Gone", "with_exponential_backoff", lambda *_: None),))
    with caplog.at_level(logging.INFO):
        assert WeaviateInstrumentor().instrument(tracer_provider=object(), skip_dep_check=True)
    assert "_Gone.with_exponential_backoff" in caplog.text
    assert "has no option tracer_provider; ignored" in caplog.text
    assert len(docs.query.near_vector([1.0, 0.0]).objects) == 1
    assert spans.attributes("retrieval Docs")[semconv.DB_RESPONSE_RETURNED_ROWS] == 1


def test_this_client_lacks_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Every method and every private seam that is named here exists in the client that is installed."""
    WeaviateInstrumentor().uninstrument()
    with caplog.at_level(logging.INFO):
        WeaviateInstrumentor().instrument()
    assert caplog.messages == []


def test_uninstrument_leaves_no_trace() -> None:
    """Every class that is touched has the very attributes afterwards that it had before."""
    from sightline.weaviate import instrumentor as module

    instrumentor = WeaviateInstrumentor()
    instrumentor.uninstrument()
    places = [(each[0], f"{each[1]}{suffix}") for each in module._operations() for suffix in ("", "Async")]
    places += [(each[0], name) for each in module.HOOKS for name in each[1].split("|")]
    owners = [owner for owner in (module._class_of(*place) for place in places) if owner is not None]
    before = [dict(vars(owner)) for owner in owners]
    instrumentor.instrument()
    changed = [owner for owner, was in zip(owners, before, strict=True) if dict(vars(owner)) != was]
    assert len(changed) == len(owners) >= 22
    instrumentor.uninstrument()
    assert [dict(vars(owner)) for owner in owners] == before


def test_wrapper_of_other_code_survives_uninstrument(stub: Stub, docs: Collection[Any, Any], spans: Spans) -> None:
    """Who wrapped our method keeps his; ours in the middle lets calls through."""
    from weaviate.collections.query import _QueryCollection

    ours = _QueryCollection.near_vector
    called: list[int] = []

    def theirs(self: Any, *args: Any, **kwargs: Any) -> Any:
        called.append(1)
        return ours(self, *args, **kwargs)

    _QueryCollection.near_vector = theirs  # type: ignore[method-assign]
    try:
        WeaviateInstrumentor().uninstrument()
        assert _QueryCollection.near_vector is theirs
        docs.query.near_vector([1.0, 0.0])
    finally:
        del _QueryCollection.near_vector
    assert called == [1]
    assert len(spans) == 0


def test_sketches_can_be_switched_off(docs: Collection[Any, Any], spans: Spans) -> None:
    """``sketch_queries=False`` leaves vectors alone."""
    WeaviateInstrumentor().instrument(sketch_queries=False)
    docs.query.near_vector([1.0, 0.0])
    assert semconv.QUERY_SKETCH not in spans.attributes("retrieval Docs")


def test_many_documents_stay_within_an_attribute(stub: Stub, docs: Collection[Any, Any], spans: Spans) -> None:
    """Three thousand rows: all counted, a thousand written, within the limit of a captured attribute."""
    stub.answers = [reply(rows=3000)]
    docs.query.near_vector([1.0, 0.0], limit=3000)
    attributes = spans.attributes("retrieval Docs")
    assert attributes[semconv.DB_RESPONSE_RETURNED_ROWS] == 3000
    assert attributes[semconv.RETRIEVAL_DOCUMENTS].count('"id"') == 1000
    assert len(attributes[semconv.RETRIEVAL_DOCUMENTS]) < 262_144
