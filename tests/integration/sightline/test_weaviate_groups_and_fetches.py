"""Grouped, reranked and generated answers of a real Weaviate, and calls that rank nothing: fetches, aggregations."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from weaviate.classes.config import Configure
from weaviate.classes.query import Filter, GroupBy, Rerank
from weaviate_place import IDS, VECTOR, Do, Place, attributes, documents

from sightline import semconv
from sightline.testing import Spans

# weaviate-client and grpc leave sockets to the garbage collector when a server dies under them.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


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
