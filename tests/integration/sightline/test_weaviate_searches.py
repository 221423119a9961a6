"""What a search of a real Weaviate tells: ids, scores, what was asked, content only where it is captured."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.trace import StatusCode
from weaviate.classes.config import ConsistencyLevel
from weaviate.classes.query import Filter, HybridFusion, MetadataQuery, NearMediaType
from weaviate_place import IDS, VECTOR, WORDS, Do, Place, attributes, documents, only

from sightline import semconv, sketch
from sightline.testing import Spans, captured
from sightline.weaviate import WeaviateInstrumentor, describe

# weaviate-client and grpc leave sockets to the garbage collector when a server dies under them.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


SEARCHES: dict[str, Callable[[Any], Any]] = {
    "near_vector": lambda query: query.near_vector(VECTOR, limit=3),
    "near_object": lambda query: query.near_object(IDS[0], limit=3),
    "hybrid": lambda query: query.hybrid("folder list", vector=VECTOR, alpha=0.5, limit=3),
    "bm25": lambda query: query.bm25("folder list", limit=3),
}


@pytest.mark.parametrize("name", SEARCHES)
def test_search_is_one_retrieval_span_with_ids_and_scores(name: str, place: Place, do: Do, spans: Spans) -> None:
    """The span of each kind of search has k, rows, server time, and a score for each id, best first."""
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


def test_hybrid_has_all_arguments(do: Do, spans: Spans) -> None:
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


def test_named_vectors_are_recorded(do: Do, spans: Spans) -> None:
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


def test_an_empty_result_is_flagged(do: Do, spans: Spans) -> None:
    """An empty answer is no error, but it can be counted."""
    do(lambda client: client.collections.get("Docs").query.bm25("xylophone", limit=3))
    span = only(spans)
    assert attributes(span)[semconv.RETRIEVAL_EMPTY] is True
    assert attributes(span)[semconv.DB_RESPONSE_RETURNED_ROWS] == 0
    assert documents(span) == []
    assert span.status.status_code is StatusCode.UNSET


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
