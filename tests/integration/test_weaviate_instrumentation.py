"""The Weaviate instrumentation on a real server, sync and async; skipped, with the reason, where there is no binary."""

from __future__ import annotations

import asyncio
import concurrent.futures
import gc
import http.server
import json
import os
import re
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import weaviate
from conftest import free_port
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode
from weaviate.classes.config import Configure, ConsistencyLevel, DataType, Property, ReferenceProperty, VectorDistances
from weaviate.classes.data import DataObject, DataReference
from weaviate.classes.query import Filter, GroupBy, HybridFusion, MetadataQuery, NearMediaType, Rerank
from weaviate.classes.tenants import Tenant

import sightline
from sightline import semconv, sketch
from sightline.testing import Spans, captured
from sightline.weaviate import WeaviateInstrumentor, describe
from sightline_app.settings import WeaviateSettings
from sightline_app.weaviate_install import find
from sightline_app.weaviate_server import WeaviateProcess

# weaviate-client and grpc leave sockets to the garbage collector when a server dies under them.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

IDS = [str(uuid.UUID(int=number + 1)) for number in range(4)]
WORDS = ["copy a folder tree", "sort a list of numbers", "read a file line by line", "draw a random card"]
VECTOR = [0.9, 0.1, 0.0, 0.1]
Do = Callable[[Callable[[Any], Any]], Any]


class SpanSink:
    """Receives the spans that the server itself exports."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.server = grpc.server(concurrent.futures.ThreadPoolExecutor(1))
        handler = grpc.unary_unary_rpc_method_handler(
            self._export,
            request_deserializer=ExportTraceServiceRequest.FromString,
            response_serializer=ExportTraceServiceResponse.SerializeToString,
        )
        name = "opentelemetry.proto.collector.trace.v1.TraceService"
        self.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, {"Export": handler}),))
        self.port = self.server.add_insecure_port("127.0.0.1:0")
        self.server.start()

    def _export(self, request: ExportTraceServiceRequest, context: Any) -> ExportTraceServiceResponse:
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                self.spans.extend(scope.spans)
        return ExportTraceServiceResponse()

    def child_of(self, span: ReadableSpan, timeout_s: float = 10.0) -> Any:
        """The server's span below one of ours (ids repeat from test to test, times do not)."""
        assert span.context is not None
        assert span.start_time is not None
        wanted = span.context.span_id.to_bytes(8, "big")
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            for found in list(self.spans):
                if found.parent_span_id == wanted and found.start_time_unix_nano >= span.start_time:
                    return found
            time.sleep(0.05)
        raise AssertionError(f"Weaviate exported {len(self.spans)} spans, none below {span.name}")


class Vectoriser(http.server.BaseHTTPRequestHandler):
    """The model behind Weaviate's multi2vec-bind module: four numbers for a text, an image or a sound."""

    def do_GET(self) -> None:
        """Say that the model is ready."""
        self._answer({"model": "letters"})

    def do_POST(self) -> None:
        """Count letters of four kinds in each input."""
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self._answer(
            {
                f"{kind.removesuffix('s')}Vectors": [
                    [
                        1.0 + sum(text.count(sign) for sign in signs)
                        for signs in ("abcdef", "ghijkl", "mnopqr", "stuvwx")
                    ]
                    for text in texts
                ]
                for kind, texts in asked.items()
            }
        )

    def _answer(self, what: dict[str, Any]) -> None:
        body = json.dumps(what).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""


class Place:
    """A server, with a sync client and an async one."""

    def __init__(self, folder: Path, binary: Path) -> None:
        self.sink = SpanSink()
        self.model = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Vectoriser)
        threading.Thread(target=self.model.serve_forever, daemon=True).start()
        self.http, self.grpc = free_port(), free_port()
        settings = WeaviateSettings(port=self.http, grpc_port=self.grpc, data_dir=folder)
        extra = {
            "ENABLE_MODULES": "multi2vec-bind,generative-dummy,reranker-dummy",
            "BIND_INFERENCE_API": f"http://127.0.0.1:{self.model.server_port}",
            "EXPERIMENTAL_OTEL_ENABLED": "true",
            "EXPERIMENTAL_OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
            "EXPERIMENTAL_OTEL_EXPORTER_OTLP_ENDPOINT": f"127.0.0.1:{self.sink.port}",
            "EXPERIMENTAL_OTEL_TRACES_SAMPLER_ARG": "0",  # only what a traced caller asks for
            "EXPERIMENTAL_OTEL_BSP_EXPORT_TIMEOUT": "100ms",
        }
        self.process = WeaviateProcess(settings, binary, {**os.environ, **extra})
        assert self.process.wait_until_ready(60)
        where: dict[str, Any] = {
            "http_host": "127.0.0.1",
            "http_port": self.http,
            "http_secure": False,
            "grpc_host": "127.0.0.1",
            "grpc_port": self.grpc,
            "grpc_secure": False,
            "skip_init_checks": True,
        }
        self.client = weaviate.connect_to_custom(**where)
        self.loop = asyncio.new_event_loop()
        self.async_client = weaviate.use_async_with_custom(**where)
        self.loop.run_until_complete(self.async_client.connect())

    def sync(self, what: Callable[[Any], Any]) -> Any:
        """Do something with the sync client."""
        return what(self.client)

    def asynchronous(self, what: Callable[[Any], Any]) -> Any:
        """Do something with the async client, in its loop."""

        async def go() -> Any:
            result = what(self.async_client)
            return await result if isinstance(result, Awaitable) else result

        return self.loop.run_until_complete(go())

    def close(self) -> None:
        """Stop everything."""
        self.client.close()
        self.loop.run_until_complete(self.async_client.close())
        self.loop.close()
        self.process.stop()
        self.sink.server.stop(None)
        self.model.shutdown()
        self.model.server_close()


def fill(client: Any) -> None:
    """Make the collections that the tests ask."""
    docs = client.collections.create(
        "Docs",
        properties=[
            Property(name="text", data_type=DataType.TEXT),
            Property(name="title", data_type=DataType.TEXT),
            Property(name="size", data_type=DataType.INT),
        ],
        references=[ReferenceProperty(name="next", target_collection="Docs")],
        vector_config=Configure.Vectors.self_provided(
            vector_index_config=Configure.VectorIndex.hnsw(distance_metric=VectorDistances.COSINE)
        ),
        generative_config=Configure.Generative.custom("generative-dummy"),
        reranker_config=Configure.Reranker.custom("reranker-dummy"),
    )
    docs.data.insert_many(
        [
            DataObject(
                uuid=IDS[number],
                properties={"text": text, "title": text.split()[0], "size": number},
                vector=[1.0 if place == number else 0.1 for place in range(4)],
            )
            for number, text in enumerate(WORDS)
        ]
    )
    texts = client.collections.create(
        "Texts",
        properties=[Property(name="text", data_type=DataType.TEXT)],
        vector_config=Configure.Vectors.multi2vec_bind(text_fields=["text"]),
        generative_config=Configure.Generative.custom("generative-dummy"),
    )
    texts.data.insert_many([{"text": text} for text in WORDS])
    named = client.collections.create(
        "Named",
        vector_config=[Configure.Vectors.self_provided(name="short"), Configure.Vectors.self_provided(name="long")],
    )
    named.data.insert({}, vector={"short": [1.0, 0.0], "long": [1.0, 0.0, 0.0]})
    tenants = client.collections.create(
        "Rooms",
        properties=[Property(name="text", data_type=DataType.TEXT)],
        multi_tenancy_config=Configure.multi_tenancy(enabled=True),
        vector_config=Configure.Vectors.self_provided(),
    )
    tenants.tenants.create([Tenant(name="red"), Tenant(name="blue")])
    tenants.with_tenant("red").data.insert({"text": "red apple"}, vector=[1.0, 0.0])


@pytest.fixture(scope="module", name="place")
def _place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    cache = Path(os.environ.get("SIGHTLINE_CACHE_DIR", "~/.cache/sightline")).expanduser()
    binary = find(cache, os.environ.get("PATH"))
    if binary is None:
        pytest.skip(f"NO WEAVIATE: no binary on PATH or in {cache / 'bin'}; run `sightline-weaviate --install-only`")
    place = Place(tmp_path_factory.mktemp("weaviate"), binary)
    try:
        fill(place.client)
        assert WeaviateInstrumentor().instrument()
        yield place
    finally:
        WeaviateInstrumentor().uninstrument()
        place.close()


@pytest.fixture(params=["sync", "async"])
def do(request: pytest.FixtureRequest, place: Place) -> Do:
    """The same action with either client."""
    return place.sync if request.param == "sync" else place.asynchronous


@pytest.fixture
def spans() -> Iterator[Spans]:
    """Spans in memory, with content."""
    with captured() as spans:
        yield spans


def attributes(span: ReadableSpan) -> dict[str, Any]:
    """A span's attributes."""
    return dict(span.attributes or {})


def documents(span: ReadableSpan) -> list[dict[str, Any]]:
    """The documents on a span."""
    found: list[dict[str, Any]] = json.loads(attributes(span)[semconv.RETRIEVAL_DOCUMENTS])
    return found


def only(spans: Spans) -> ReadableSpan:
    """The only span; it is a CLIENT span of Weaviate."""
    found = list(spans)
    assert len(found) == 1, spans.tree()
    assert found[0].kind is SpanKind.CLIENT
    assert attributes(found[0])[semconv.DB_SYSTEM_NAME] == "weaviate"
    return found[0]


SEARCHES: dict[str, Callable[[Any], Any]] = {
    "near_vector": lambda query: query.near_vector(VECTOR, limit=3),
    "near_object": lambda query: query.near_object(IDS[0], limit=3),
    "hybrid": lambda query: query.hybrid("folder list", vector=VECTOR, alpha=0.5, limit=3),
    "bm25": lambda query: query.bm25("folder list", limit=3),
}


@pytest.mark.parametrize("name", SEARCHES)
def test_search_is_one_retrieval_span_with_ids_and_scores(name: str, place: Place, do: Do, spans: Spans) -> None:
    """Each kind of search tells k, rows, server time, and a score for each id, best first."""
    answer = do(lambda client: SEARCHES[name](client.collections.get("Docs").query))
    span = only(spans)
    told = attributes(span)
    assert span.name == "retrieval Docs"
    assert told[semconv.GEN_AI_OPERATION_NAME] == "retrieval"
    assert told[semconv.STAGE] == semconv.STAGE_SEARCH
    assert told[semconv.DB_OPERATION_NAME] == name
    assert told[semconv.DB_COLLECTION_NAME] == told[semconv.GEN_AI_DATA_SOURCE_ID] == "Docs"
    assert told[semconv.GEN_AI_REQUEST_TOP_K] == 3
    assert told[semconv.SERVER_ADDRESS] == "127.0.0.1"
    assert told[semconv.SERVER_PORT] == place.grpc
    assert told[semconv.DB_RESPONSE_RETURNED_ROWS] == len(answer.objects) >= 2
    assert [row["id"] for row in documents(span)] == [str(found.uuid) for found in answer.objects]
    scores = [row["score"] for row in documents(span)]
    assert scores == sorted(scores, reverse=True)
    assert documents(span)[0]["content"] in WORDS
    assert span.start_time is not None
    assert span.end_time is not None
    assert 0 < told[semconv.RETRIEVAL_SERVER_DURATION] < (span.end_time - span.start_time) / 1e9
    assert semconv.DB_RETRIES not in told
    assert semconv.RETRIEVAL_EMPTY not in told


@pytest.mark.parametrize("name", SEARCHES)
def test_results_are_the_same_as_without_tracing(name: str, do: Do, spans: Spans) -> None:
    """What only tracing asked for is not in the caller's objects; what the caller asked for is."""
    some = MetadataQuery(score=True, distance=True, certainty=True, creation_time=True, is_consistent=True)
    for wanted in (None, MetadataQuery(score=True), MetadataQuery(distance=True), some):

        def search(client: Any, wanted: MetadataQuery | None = wanted) -> Any:
            query = client.collections.get("Docs").query
            return {
                "near_vector": lambda: query.near_vector(VECTOR, limit=3, return_metadata=wanted),
                "near_object": lambda: query.near_object(IDS[0], limit=3, return_metadata=wanted),
                "hybrid": lambda: query.hybrid("folder list", vector=VECTOR, limit=3, return_metadata=wanted),
                "bm25": lambda: query.bm25("folder list", limit=3, return_metadata=wanted),
            }[name]()

        traced = do(search)
        WeaviateInstrumentor().uninstrument()
        try:
            plain = do(search)
        finally:
            WeaviateInstrumentor().instrument()
        assert [vars(found) for found in traced.objects] == [vars(found) for found in plain.objects]
    assert all(row["score"] is not None for span in spans for row in documents(span))
    assert len(spans) == 4


def test_distances_are_read_as_similarity(do: Do, spans: Spans) -> None:
    """A nearer document has a higher score: one minus its distance, which for cosine is the cosine."""
    answer = do(
        lambda client: client.collections.get("Docs").query.near_vector(
            VECTOR, limit=4, return_metadata=MetadataQuery(distance=True, certainty=True)
        )
    )
    span = only(spans)
    assert attributes(span)[semconv.RETRIEVAL_SCORE_KIND] == "one_minus_distance"
    for row, found in zip(documents(span), answer.objects, strict=True):
        assert row["distance"] == pytest.approx(found.metadata.distance, abs=1e-6)
        assert row["certainty"] == pytest.approx(found.metadata.certainty, abs=1e-6)
        assert row["score"] == pytest.approx(1 - found.metadata.distance, abs=1e-6)


def test_hybrid_tells_all_that_was_asked(do: Do, spans: Spans) -> None:
    """Alpha, fusion, filter, properties, offset, autocut, thresholds, consistency level, query text and sketch."""
    wanted = Filter.by_property("size").less_than(3) & (
        Filter.by_property("title").contains_any(["copy", "sort"]) | ~Filter.by_property("text").like("*card*")
    )
    do(
        lambda client: (
            client.collections.get("Docs")
            .with_consistency_level(ConsistencyLevel.ONE)
            .query.hybrid(
                "folder",
                vector=VECTOR,
                alpha=0.75,
                fusion_type=HybridFusion.RELATIVE_SCORE,
                query_properties=["title^2", "text"],
                filters=wanted,
                limit=5,
                offset=1,
                auto_limit=3,
                max_vector_distance=0.9,
            )
        )
    )
    told = attributes(only(spans))
    assert told[semconv.RETRIEVAL_ALPHA] == 0.75
    assert told[semconv.RETRIEVAL_FUSION] == "relative_score"
    assert told[semconv.RETRIEVAL_SCORE_KIND] == "fusion"
    assert told[semconv.RETRIEVAL_QUERY_PROPERTIES] == ("title^2", "text")
    assert told[semconv.RETRIEVAL_FILTER] == (
        'size LessThan 3 And (title ContainsAny ["copy", "sort"] Or Not (text Like "*card*"))'
    )
    assert told[semconv.RETRIEVAL_OFFSET] == 1
    assert told[semconv.RETRIEVAL_AUTOCUT] == 3
    assert told[semconv.RETRIEVAL_MAX_DISTANCE] == 0.9
    assert told[semconv.DB_CONSISTENCY_LEVEL] == "ONE"
    assert told[semconv.RETRIEVAL_QUERY_TEXT] == "folder"
    assert told[semconv.QUERY_SKETCH] == sketch.sketch(VECTOR)
    assert told[semconv.QUERY_SKETCH_VERSION] == "cs1:sightline:32:4"
    assert told[semconv.GEN_AI_EMBEDDINGS_DIMENSION_COUNT] == 4


def test_content_is_not_written_unless_captured(do: Do) -> None:
    """By default there are ids, scores and lengths, but no query text, no literals of filters, no text of documents."""
    with captured(capture="lengths") as spans:
        do(
            lambda client: client.collections.get("Docs").query.hybrid(
                "folder", vector=VECTOR, filters=Filter.by_property("title").not_equal("secret"), limit=2
            )
        )
    span = only(spans)
    assert semconv.RETRIEVAL_QUERY_TEXT not in attributes(span)
    assert attributes(span)[semconv.RETRIEVAL_FILTER] == "title NotEqual ?"
    assert {key for row in documents(span) for key in row} == {"id", "score", "length"}
    assert semconv.QUERY_SKETCH in attributes(span)
    with captured(capture="none") as spans:
        do(lambda client: client.collections.get("Docs").query.near_vector(VECTOR, limit=1))
    assert semconv.QUERY_SKETCH not in attributes(only(spans))
    assert {key for row in documents(only(spans)) for key in row} == {"id", "score", "distance"}


def test_what_the_server_vectorises_has_no_sketch(do: Do, spans: Spans) -> None:
    """Text, image and sound: the question may be known, its vector is not; the media itself is never written."""
    do(lambda client: client.collections.get("Texts").query.near_text("sort numbers", limit=2, certainty=0.1))
    do(lambda client: client.collections.get("Texts").query.near_image("aGVsbG8=", limit=2))
    do(lambda client: client.collections.get("Texts").generate.near_media("aGVsbG8=", NearMediaType.AUDIO, limit=2))
    do(lambda client: client.collections.get("Texts").aggregate.near_text("sort numbers", object_limit=3))
    told = [attributes(span) for span in spans]
    assert [each[semconv.DB_OPERATION_NAME] for each in told] == [
        *["near_text", "near_image", "near_media", "aggregate.near_text"]
    ]
    assert [each.get(semconv.RETRIEVAL_QUERY_TEXT) for each in told] == ["sort numbers", None, None, "sort numbers"]
    assert told[0][semconv.RETRIEVAL_MIN_CERTAINTY] == 0.1
    for span in list(spans)[:3]:
        assert attributes(span)[semconv.DB_RESPONSE_RETURNED_ROWS] == 2
        assert [row["score"] for row in documents(span)] == sorted(
            [row["score"] for row in documents(span)], reverse=True
        )
        assert semconv.QUERY_SKETCH not in attributes(span)
        assert "aGVsbG8=" not in str(attributes(span))


def test_named_vectors_are_told(do: Do, spans: Spans) -> None:
    """The searched vectors are named; a vector given by its name is sketched."""
    do(lambda client: client.collections.get("Named").query.near_vector([1.0, 0.0], target_vector="short", limit=1))
    do(
        lambda client: client.collections.get("Named").query.near_vector(
            {"long": [1.0, 0.0, 0.0]}, target_vector=["long"], limit=1
        )
    )
    first, second = (attributes(span) for span in spans)
    assert first[semconv.RETRIEVAL_TARGET_VECTORS] == ("short",)
    assert second[semconv.RETRIEVAL_TARGET_VECTORS] == ("long",)
    assert first[semconv.GEN_AI_EMBEDDINGS_DIMENSION_COUNT] == 2
    assert second[semconv.QUERY_SKETCH_VERSION] == "cs1:sightline:32:3"


def test_group_by_rerank_and_generation(do: Do, spans: Spans) -> None:
    """Groups are counted, the reranker's scores are the scores, generated texts are counted and captured."""
    do(
        lambda client: client.collections.get("Docs").query.near_vector(
            VECTOR, limit=4, group_by=GroupBy(prop="title", objects_per_group=1, number_of_groups=2)
        )
    )
    do(lambda client: client.collections.get("Docs").query.bm25("folder list", limit=3, rerank=Rerank(prop="text")))
    do(
        lambda client: client.collections.get("Docs").generate.near_vector(
            VECTOR, limit=2, single_prompt="shorten {text}", grouped_task="sum up"
        )
    )
    grouped, reranked, generated = spans
    assert attributes(grouped)[semconv.RETRIEVAL_GROUP_BY] == "title"
    assert attributes(grouped)[semconv.RETRIEVAL_GROUPS] == 2
    assert all(row["score"] is not None for row in documents(grouped))
    assert attributes(reranked)[semconv.RETRIEVAL_RERANK] == "text"
    assert attributes(reranked)[semconv.RETRIEVAL_SCORE_KIND] == "rerank"
    assert all(row["score"] > 1 > row["first_score"] > 0 for row in documents(reranked))
    told = attributes(generated)
    assert generated.name == "retrieval Docs"
    assert told[semconv.RETRIEVAL_GENERATIVE] == "single,grouped"
    assert told[semconv.RETRIEVAL_GENERATED] == 3
    assert "dummy" in told[semconv.OUTPUT]
    assert len(documents(generated)) == 2


def test_fetches_iterator_and_aggregations_are_database_spans(do: Do, spans: Spans, place: Place) -> None:
    """What ranks nothing is no retrieval: it has rows, and no stage."""
    docs = "Docs"
    do(lambda client: client.collections.get(docs).query.fetch_objects(limit=2, filters=Filter.by_id().equal(IDS[1])))
    do(lambda client: client.collections.get(docs).query.fetch_object_by_id(IDS[0]))
    do(lambda client: client.collections.get(docs).query.fetch_object_by_id(str(uuid.uuid4())))
    do(lambda client: client.collections.get(docs).query.fetch_objects_by_ids(IDS[:3]))
    do(lambda client: client.collections.get(docs).aggregate.over_all(total_count=True))
    do(lambda client: client.collections.get(docs).aggregate.near_vector(VECTOR, object_limit=2))
    do(lambda client: client.graphql_raw_query("{Get{Docs(limit:1){title}}}"))
    assert spans.names() == [
        "fetch_objects Docs",
        "fetch_object_by_id Docs",
        "fetch_object_by_id Docs",
        "fetch_objects_by_ids Docs",
        "aggregate.over_all Docs",
        "aggregate.near_vector Docs",
        "graphql_raw_query",
    ]
    told = [attributes(span) for span in spans]
    assert [each.get(semconv.DB_RESPONSE_RETURNED_ROWS) for each in told[:4]] == [1, 1, 0, 3]
    assert told[0][semconv.RETRIEVAL_FILTER] == f'_id Equal "{IDS[1]}"'
    assert [each[semconv.RETRIEVAL_TOTAL_COUNT] for each in told[4:6]] == [4, 2]
    assert all(each[semconv.RETRIEVAL_SERVER_DURATION] > 0 for each in told[:6])
    assert told[6][semconv.SERVER_PORT] == place.http
    for each in told:
        assert semconv.STAGE not in each
        assert semconv.GEN_AI_OPERATION_NAME not in each
    spans.clear()

    def walk(client: Any) -> Any:
        pages = client.collections.get(docs).iterator(cache_size=3)
        if not hasattr(pages, "__aiter__"):
            return len(list(pages))

        async def count() -> int:
            return len([each async for each in pages])

        return count()

    assert do(walk) == 4
    assert spans.names() == ["fetch_objects Docs"] * 3


def test_nothing_found_is_flagged(do: Do, spans: Spans) -> None:
    """An empty answer is no error, but it can be counted."""
    do(lambda client: client.collections.get("Docs").query.bm25("xylophone", limit=3))
    span = only(spans)
    assert attributes(span)[semconv.RETRIEVAL_EMPTY] is True
    assert attributes(span)[semconv.DB_RESPONSE_RETURNED_ROWS] == 0
    assert documents(span) == []
    assert span.status.status_code is StatusCode.UNSET


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
    """Each id once, in the order in which they were found; what the caller records himself is left alone."""
    with sightline.retrieval("Fused", top_k=7):
        do(lambda client: client.collections.get("Docs").query.bm25("xylophone", limit=2))
        do(lambda client: client.collections.get("Docs").query.bm25("folder", limit=2))
        do(lambda client: client.collections.get("Docs").query.bm25("folder list", limit=2))
    outer = spans.one("retrieval Fused")
    assert [row["id"] for row in documents(outer)] == IDS[:2]
    assert attributes(outer)[semconv.DB_RESPONSE_RETURNED_ROWS] == 2
    assert attributes(outer)[semconv.RETRIEVAL_SEARCHES] == 3
    assert attributes(outer)[semconv.RETRIEVAL_EMPTY] is False
    assert attributes(outer)[semconv.GEN_AI_REQUEST_TOP_K] == 7
    spans.clear()
    with sightline.retrieval("Fused"):
        sightline.record_documents([{"id": "mine", "score": 1.0}])
        do(lambda client: client.collections.get("Docs").query.bm25("folder", limit=2))
    assert [row["id"] for row in documents(spans.one("retrieval Fused"))] == ["mine"]


def test_collection_can_be_described(do: Do, spans: Spans) -> None:
    """Index version and embedding come onto every search of that collection."""
    describe("docs", index_version="7", embedding="toy", embedding_version="2", content="title")
    try:
        do(lambda client: client.collections.get("Docs").query.near_vector(VECTOR, limit=1))
    finally:
        describe("Docs")
    told = attributes(only(spans))
    assert told[semconv.INDEX_VERSION] == "7"
    assert told[semconv.EMBEDDING_NAME] == "toy"
    assert told[semconv.EMBEDDING_VERSION] == "2"
    assert documents(only(spans))[0]["content"] == "copy"


def test_writes_are_traced(do: Do, spans: Spans) -> None:
    """Every way to write one object, or several, with counts where there are some."""
    made = str(uuid.uuid4())
    steps: list[Callable[[Any], Any]] = [
        lambda data: data.insert({"text": "new"}, uuid=made, vector=VECTOR),
        lambda data: data.exists(made),
        lambda data: data.update(made, {"size": 9}),
        lambda data: data.replace(made, {"text": "newer", "size": 99}, vector=VECTOR),
        lambda data: data.reference_add_many([DataReference(from_uuid=made, from_property="next", to_uuid=IDS[2])]),
        lambda data: data.reference_add(made, "next", IDS[0]),
        lambda data: data.reference_replace(made, "next", IDS[1]),
        lambda data: data.reference_delete(made, "next", IDS[1]),
        lambda data: data.delete_by_id(made),
        lambda data: data.insert_many([{"text": "one", "size": 50}, {"text": "two", "size": 51}]),
        lambda data: data.delete_many(Filter.by_property("size").greater_than(10)),
        lambda data: data.ingest([{"text": "three", "size": 52}]),
    ]
    for step in steps:
        do(lambda client, step=step: step(client.collections.get("Docs").data))
    names = [
        *["insert", "exists", "update", "replace", "reference_add_many", "reference_add", "reference_replace"],
        *["reference_delete", "delete_by_id", "insert_many", "delete_many", "ingest"],
    ]
    assert spans.names() == [f"{name} Docs" for name in names]
    told = {str(each[semconv.DB_OPERATION_NAME]): each for each in map(attributes, spans)}
    assert told["reference_add_many"][semconv.DB_OPERATION_BATCH_SIZE] == 1
    assert told["insert_many"][semconv.DB_OPERATION_BATCH_SIZE] == 2
    assert told["insert_many"][semconv.DB_BATCH_FAILED] == 0
    assert told["insert_many"][semconv.RETRIEVAL_SERVER_DURATION] > 0
    assert told["delete_many"][semconv.DB_OPERATION_BATCH_SIZE] == 2
    assert told["delete_many"][semconv.RETRIEVAL_SERVER_DURATION] > 0
    assert told["delete_many"][semconv.RETRIEVAL_FILTER] == "size GreaterThan 10"
    assert told["ingest"][semconv.DB_BATCH_FAILED] == 0
    assert [span.status.description for span in spans if span.status.status_code is not StatusCode.UNSET] == []
    do(lambda client: client.collections.get("Docs").data.delete_many(Filter.by_property("size").greater_than(10)))


@pytest.mark.filterwarnings("ignore")
def test_refused_objects_make_a_batch_an_error(do: Do, spans: Spans) -> None:
    """One of two refused: the call returns as always, the span says how many and why; all refused: it raises."""
    do(lambda client: client.collections.get("Docs").data.insert_many([{"size": "not a number"}, {"size": 77}]))
    span = only(spans)
    assert attributes(span)[semconv.DB_BATCH_FAILED] == 1
    assert attributes(span)[semconv.ERROR_TYPE] == "partial_failure"
    assert span.status.status_code is StatusCode.ERROR
    assert "requires an integer" in (span.status.description or "")
    spans.clear()
    with pytest.raises(weaviate.exceptions.WeaviateInsertManyAllFailedError):
        do(lambda client: client.collections.get("Docs").data.insert_many([{"size": "not a number"}]))
    assert attributes(only(spans))[semconv.ERROR_TYPE].endswith("WeaviateInsertManyAllFailedError")
    do(lambda client: client.collections.get("Docs").data.delete_many(Filter.by_property("size").greater_than(10)))


@pytest.mark.parametrize(
    ("whose", "mode"), [("client", "fixed_size"), ("client", "dynamic"), ("collection", "rate_limit")]
)
def test_batch_block_is_one_span_with_its_requests(whose: str, mode: str, place: Place, spans: Spans) -> None:
    """Objects, references, refusals; requests made by the client's threads hang below, the caller's spans beside it."""
    docs = place.client.collections.get("Docs")
    batches = place.client.batch if whose == "client" else docs.batch
    options: dict[str, Any] = {"rate_limit": {"requests_per_minute": 10_000}, "fixed_size": {"batch_size": 2}}.get(
        mode, {}
    )
    made = [str(uuid.uuid4()) for _ in range(3)]
    place_of: dict[str, Any] = {"collection": "Docs"} if whose == "client" else {}
    from_place: dict[str, Any] = {"from_collection": "Docs"} if whose == "client" else {}
    with sightline.trace("import"), getattr(batches, mode)(**options) as batch:
        with sightline.trace("read a file"):
            pass
        for number, each in enumerate(made):
            batch.add_object(properties={"size": "bad" if number == 2 else 60 + number}, uuid=each, **place_of)
        batch.add_reference(from_uuid=made[0], from_property="next", to=IDS[0], **from_place)
    outer, block = spans.one("import"), spans.one("batch Docs")
    told = attributes(block)
    assert told[semconv.DB_OPERATION_BATCH_SIZE] == 3
    assert told[semconv.DB_BATCH_REFERENCES] == 1
    assert told[semconv.DB_BATCH_FAILED] == 1
    assert told[semconv.ERROR_TYPE] == "partial_failure"
    assert told[semconv.DB_COLLECTION_NAME] == "Docs"
    requests = [span for span in spans if span.name == "batch_request"]
    assert told[semconv.DB_BATCH_REQUESTS] == len(requests) >= 2
    assert outer.context is not None
    assert block.context is not None
    assert {span.parent.span_id for span in requests if span.parent} == {block.context.span_id}
    assert [span.parent and span.parent.span_id for span in (block, spans.one("read a file"))] == [
        outer.context.span_id
    ] * 2
    assert sum(attributes(span).get(semconv.DB_OPERATION_BATCH_SIZE, 0) for span in requests) == 3
    assert any(attributes(span).get(semconv.RETRIEVAL_SERVER_DURATION, 0) > 0 for span in requests)
    assert len(batches.failed_objects) == 1
    docs.data.delete_many(Filter.by_property("size").greater_than(10))


def test_batch_block_that_raises_is_an_error(place: Place, spans: Spans) -> None:
    """The caller's exception ends the block's span and reaches the caller."""
    with pytest.raises(ZeroDivisionError), place.client.batch.fixed_size(batch_size=2):
        _ = 1 / 0
    assert attributes(spans.one("batch"))[semconv.ERROR_TYPE] == "ZeroDivisionError"


@pytest.mark.parametrize("side", ["sync", "async"])
def test_server_side_batching_is_one_span(
    side: str, place: Place, spans: Spans, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A streamed batch (which the client allows from server 1.36 on; 1.35 has it too) has its counts."""
    version = type(place.client._connection._weaviate_version)
    monkeypatch.setattr(version, "is_lower_than", lambda *_: False)
    made = str(uuid.uuid4())
    if side == "sync":
        with place.client.batch.stream() as batch:
            batch.add_object("Docs", {"size": 70}, uuid=made)
    else:

        async def fill() -> None:
            async with place.async_client.batch.stream() as batch:
                await batch.add_object("Docs", {"size": 70}, uuid=made)

        place.loop.run_until_complete(fill())
    told = spans.attributes("batch Docs")
    assert told[semconv.DB_OPERATION_BATCH_SIZE] == 1
    assert told[semconv.DB_BATCH_FAILED] == 0
    assert place.client.collections.get("Docs").data.delete_by_id(made)


def test_tenants_are_the_namespace(do: Do, spans: Spans, place: Place) -> None:
    """Searches and writes carry their tenant; the calls about tenants are traced with their counts."""
    name = f"t{uuid.uuid4().hex[:8]}"
    do(lambda client: client.collections.get("Rooms").tenants.create([Tenant(name=name)]))
    do(lambda client: client.collections.get("Rooms").with_tenant(name).data.insert({"text": "x"}, vector=[1.0, 0.0]))
    do(lambda client: client.collections.get("Rooms").with_tenant(name).query.near_vector([1.0, 0.0], limit=1))
    do(lambda client: client.collections.get("Rooms").with_tenant(name).aggregate.over_all())
    do(lambda client: client.collections.get("Rooms").tenants.get())
    do(lambda client: client.collections.get("Rooms").tenants.get_by_name(name))
    do(lambda client: client.collections.get("Rooms").tenants.exists(name))
    do(lambda client: client.collections.get("Rooms").tenants.deactivate(name))
    do(lambda client: client.collections.get("Rooms").tenants.remove([name]))
    assert spans.names() == [
        "tenants.create Rooms",
        "insert Rooms",
        "retrieval Rooms",
        "aggregate.over_all Rooms",
        *(f"tenants.{each} Rooms" for each in ("get", "get_by_name", "exists", "deactivate", "remove")),
    ]
    told = [attributes(span) for span in spans]
    assert [each.get(semconv.DB_NAMESPACE) for each in told[:5]] == [None, name, name, name, None]
    assert told[0][semconv.DB_OPERATION_BATCH_SIZE] == 1
    assert told[4][semconv.DB_RESPONSE_RETURNED_ROWS] >= 3


def test_missed_tenants_are_told_apart(do: Do, spans: Spans) -> None:
    """No tenant where one is needed, one where none is, an unknown one, an inactive one: each is named."""
    client_error = weaviate.exceptions.WeaviateBaseError
    asleep = f"t{uuid.uuid4().hex[:8]}"
    do(lambda client: client.collections.get("Rooms").tenants.create([Tenant(name=asleep)]))
    do(lambda client: client.collections.get("Rooms").tenants.deactivate(asleep))
    spans.clear()
    for collection, tenant in (("Rooms", None), ("Docs", "red"), ("Rooms", "nobody"), ("Rooms", asleep)):

        def place(client: Any, collection: str = collection, tenant: str | None = tenant) -> Any:
            found = client.collections.get(collection)
            return found if tenant is None else found.with_tenant(tenant)

        with pytest.raises(client_error):
            do(lambda client, place=place: place(client).query.near_vector(VECTOR[:2], limit=1))
        with pytest.raises(client_error):
            do(lambda client, place=place: place(client).data.insert({"text": "x"}, vector=VECTOR[:2]))
    told = [attributes(span) for span in spans]
    assert [each[semconv.DB_TENANT_ERROR] for each in told] == [
        *["missing"] * 2,
        *["unexpected"] * 2,
        *["unknown"] * 2,
        *["inactive"] * 2,
    ]
    assert [each[semconv.DB_RESPONSE_STATUS_CODE] for each in told] == ["UNKNOWN", "422"] * 4
    assert all(span.status.status_code is StatusCode.ERROR for span in spans)
    do(lambda client: client.collections.get("Rooms").tenants.remove([asleep]))


ERRORS: dict[str, tuple[Callable[[Any], Any], str, str | None]] = {
    "no such collection": (
        lambda client: client.collections.get("Nowhere").query.bm25("x"),
        "WeaviateQueryError",
        "UNKNOWN",
    ),
    "no vectoriser": (
        lambda client: client.collections.get("Docs").query.near_text("x"),
        "WeaviateQueryError",
        "UNKNOWN",
    ),
    "no images": (
        lambda client: client.collections.get("Docs").query.near_image("aGVsbG8="),
        "WeaviateQueryError",
        "UNKNOWN",
    ),
    "no media": (
        lambda client: client.collections.get("Docs").generate.near_media("aGVsbG8=", NearMediaType.AUDIO),
        "WeaviateQueryError",
        "UNKNOWN",
    ),
    "wrong length": (
        lambda client: client.collections.get("Docs").query.near_vector([1.0]),
        "WeaviateQueryError",
        "UNKNOWN",
    ),
    "refused by the client": (
        lambda client: client.collections.get("Docs").query.near_vector(VECTOR, limit="many"),
        "WeaviateInvalidInputError",
        None,
    ),
    "no such object": (
        lambda client: client.collections.get("Docs").data.update(str(uuid.uuid4()), {"text": "x"}),
        "UnexpectedStatusCodeError",
        "404",
    ),
    "no such configuration": (
        lambda client: client.collections.get("Nowhere").config.get(),
        "UnexpectedStatusCodeError",
        "404",
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_reach_the_caller_and_the_span(case: str, do: Do, spans: Spans) -> None:
    """The client's own exception, its type, and the server's status."""
    act, kind, status = ERRORS[case]
    with pytest.raises(weaviate.exceptions.WeaviateBaseError) as caught:
        do(act)
    assert type(caught.value).__name__ == kind
    span = only(spans)
    assert attributes(span)[semconv.ERROR_TYPE] == f"weaviate.exceptions.{kind}"
    assert attributes(span).get(semconv.DB_RESPONSE_STATUS_CODE) == status
    assert span.status.status_code is StatusCode.ERROR
    assert [event.name for event in span.events] == ["exception"]


def test_collections_are_traced(do: Do, spans: Spans) -> None:
    """Create, list, look for, read and drop."""
    name = f"Made{uuid.uuid4().hex[:6]}"
    do(lambda client: client.collections.create(name, vector_config=Configure.Vectors.self_provided()))
    assert do(lambda client: client.collections.exists(name))
    assert name in do(lambda client: client.collections.list_all())
    do(lambda client: client.collections.get(name).config.get())
    do(lambda client: client.collections.delete(name))
    assert spans.names() == [
        f"collections.create {name}",
        f"collections.exists {name}",
        "collections.list_all",
        f"config.get {name}",
        f"collections.delete {name}",
    ]
    assert spans.attributes("collections.list_all")[semconv.DB_RESPONSE_RETURNED_ROWS] >= 4


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
    """Twenty at once, in tasks and in threads: each answer stands on its own span, below its own caller."""

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
    both = spans.one("both")
    searches = [span for span in spans if span.name == "retrieval Docs"]
    assert both.context is not None
    assert [span.parent.span_id if span.parent else None for span in searches] == [both.context.span_id] * 2 + [None]
    assert attributes(searches[2])[semconv.SPAN_CANCELLED] is True
    assert searches[2].status.status_code is StatusCode.UNSET


def test_uninstrument_puts_everything_back(place: Place, spans: Spans) -> None:
    """Off and on again, twice on is once; the client's classes are as they were."""
    from weaviate.collections.query import _QueryCollection
    from weaviate.connect.v4 import _ConnectionBase
    from weaviate.retry import _Retry

    instrumentor = WeaviateInstrumentor()
    assert instrumentor is WeaviateInstrumentor()
    assert instrumentor.instrument()
    docs = place.client.collections.get("Docs")
    kept = docs.query.near_vector
    docs.query.near_vector(VECTOR, limit=1)
    assert len(spans) == 1
    instrumentor.uninstrument()
    instrumentor.uninstrument()
    try:
        assert not instrumentor.is_instrumented_by_opentelemetry
        assert "near_vector" not in vars(_QueryCollection)
        assert _Retry.with_exponential_backoff.__module__ == "weaviate.retry"
        assert not hasattr(_Retry.with_exponential_backoff, "__wrapped__")
        assert not hasattr(_ConnectionBase.grpc_headers, "__wrapped__")
        docs.query.near_vector(VECTOR, limit=1)
        kept(VECTOR, limit=1)  # a bound method that somebody kept is a plain call again
        assert len(spans) == 1
    finally:
        instrumentor.instrument()
    docs.query.near_vector(VECTOR, limit=1)
    assert len(spans) == 2


def test_tracing_that_fails_breaks_no_call(
    do: Do, spans: Spans, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever of ours raises: the caller gets his objects, the log gets one line."""
    from sightline import faults, weaviate_attributes, weaviate_call

    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("broken on purpose")

    faults.reset()
    monkeypatch.setattr(weaviate_attributes, "of_request", broken)
    monkeypatch.setattr(weaviate_attributes, "documents", broken)
    monkeypatch.setattr(weaviate_call.Call, "before_attempt", broken)
    monkeypatch.setattr(weaviate_call.Call, "after_attempt", broken)
    monkeypatch.setattr(weaviate_call.Call, "headers", broken)
    for _ in range(2):
        answer = do(lambda client: client.collections.get("Docs").query.near_vector(VECTOR, limit=2))
        assert len(answer.objects) == 2
    monkeypatch.setattr(weaviate_call, "_place", broken)
    assert len(do(lambda client: client.collections.get("Docs").query.bm25("folder")).objects) == 1
    assert set(faults.counts().values()) <= {1, 2}
    assert len(faults.counts()) == 6
    assert len([line for line in caplog.records if line.name == "sightline"]) == 6
    assert spans.names() == ["retrieval Docs"] * 2
    faults.reset()


def test_server_that_is_away_is_told_with_its_retries(
    place: Place, spans: Spans, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client retries in silence while nobody listens; the span says how often."""
    monkeypatch.setattr(time, "sleep", lambda _: None)
    lost = weaviate.connect_to_custom(
        http_host="127.0.0.1",
        http_port=place.http,
        http_secure=False,
        grpc_host="127.0.0.1",
        grpc_port=free_port(),
        grpc_secure=False,
        skip_init_checks=True,
    )
    try:
        with pytest.raises(weaviate.exceptions.WeaviateQueryError):
            lost.collections.get("Docs").query.bm25("folder")
    finally:
        lost.close()
    told = attributes(only(spans))
    assert told[semconv.DB_RETRIES] == 5
    assert told[semconv.DB_RESPONSE_STATUS_CODE] == "UNAVAILABLE"
    gc.collect()


def test_recipe_of_the_readme_runs(place: Place) -> None:
    """As it stands, but for the ports of the test's server."""
    readme = (Path(__file__).parents[2] / "instrumentation" / "README.md").read_text()
    (recipe,) = re.findall(r"^## Weaviate\n.*?```python\n(.*?)```", readme, re.MULTILINE | re.DOTALL)
    documents = place.client.collections.create(
        "Documents",
        properties=[Property(name="text", data_type=DataType.TEXT)],
        vector_config=Configure.Vectors.self_provided(),
    )
    documents.data.insert({"text": "copytree copies a folder"}, vector=[0.1, 0.2, 0.3])
    here = f"connect_to_local(port={place.http}, grpc_port={place.grpc}, skip_init_checks=True)"
    done = subprocess.run(
        [sys.executable, "-c", recipe.replace("connect_to_local()", here)],
        env={**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "['copytree copies a folder']\n"), done.stderr
