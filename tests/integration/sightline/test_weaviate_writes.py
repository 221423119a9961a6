"""Writes to a real Weaviate: single objects, insert_many, and the client's three ways of batching."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
import weaviate
from opentelemetry.trace import StatusCode
from weaviate.classes.data import DataReference
from weaviate.classes.query import Filter
from weaviate_place import IDS, VECTOR, Do, Place, attributes, only

import sightline
from sightline import semconv
from sightline.testing import Spans

# weaviate-client and grpc leave sockets to the garbage collector when a server dies under them.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


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
    outer, block = spans.single("import"), spans.single("batch Docs")
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
    assert [span.parent and span.parent.span_id for span in (block, spans.single("read a file"))] == [
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
    assert attributes(spans.single("batch"))[semconv.ERROR_TYPE] == "ZeroDivisionError"


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
    attributes = spans.attributes("batch Docs")
    assert attributes[semconv.DB_OPERATION_BATCH_SIZE] == 1
    assert attributes[semconv.DB_BATCH_FAILED] == 0
    assert place.client.collections.get("Docs").data.delete_by_id(made)
