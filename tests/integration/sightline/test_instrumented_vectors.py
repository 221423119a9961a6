"""Vector stores under ``instrument()``: Milvus, Qdrant and Chroma inside of the process, Pinecone over HTTP."""

from __future__ import annotations

import json
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from client_peers import Quiet, serving
from instrument_trial import CALLER, SECRET, needs, trial

VECTOR = [1.0, 0.5]


def use_milvus() -> None:
    """Make, fill and search a collection."""
    from pymilvus import MilvusClient

    with tempfile.TemporaryDirectory() as folder:
        client = MilvusClient(str(Path(folder) / "milvus.db"))
        client.create_collection("docs", dimension=2)
        client.insert("docs", [{"id": 1, "vector": VECTOR, "text": SECRET}])
        client.query(collection_name="docs", filter=f'text == "{SECRET}"', output_fields=["text"])
        (found,) = client.search("docs", data=[VECTOR], limit=1, output_fields=["text"])
        assert found[0]["entity"]["text"] == SECRET
        client.close()


def use_qdrant() -> None:
    """Fill and search a collection."""
    from qdrant_client import QdrantClient, models

    client = QdrantClient(":memory:")
    client.create_collection("docs", vectors_config=models.VectorParams(size=2, distance=models.Distance.COSINE))
    client.upsert("docs", [models.PointStruct(id=1, vector=VECTOR, payload={"text": SECRET})])
    assert client.query_points("docs", query=VECTOR, limit=1).points[0].payload == {"text": SECRET}
    client.close()


def use_chroma() -> None:
    """Fill and search a collection."""
    import chromadb

    docs = chromadb.EphemeralClient().create_collection(f"docs{uuid.uuid4().hex}", embedding_function=None)
    docs.add(ids=["a"], embeddings=[VECTOR], documents=[SECRET])
    docs.get(where_document={"$contains": SECRET})
    found = docs.query(query_embeddings=[VECTOR], n_results=1, where_document={"$contains": SECRET})
    assert found["documents"] == [[SECRET]]


class _Index(Quiet):
    """As much of Pinecone's data plane as one upsert and one query need."""

    def reply(self, body: bytes) -> None:
        match = {"id": "a", "score": 0.9, "values": VECTOR, "metadata": {"text": SECRET}}
        found = {"matches": [match], "namespace": "red", "usage": {"readUnits": 5}}
        self.answer(json.dumps(found if self.path == "/query" else {"upsertedCount": 1}).encode())


@pytest.fixture
def index() -> Iterator[str]:
    """The address of an index."""
    with serving(_Index) as url:
        yield url


def use_pinecone(url: str) -> None:
    """Fill and search a namespace."""
    from pinecone import Pinecone

    index = Pinecone(api_key="x").Index(host=url)
    index.upsert(vectors=[{"id": "a", "values": VECTOR}], namespace="red")
    wanted = {"vector": VECTOR, "top_k": 1, "namespace": "red", "include_metadata": True}
    found = index.query(filter={"text": {"$eq": SECRET}}, **wanted)
    assert found.matches[0].metadata == {"text": SECRET}


@pytest.mark.parametrize(
    ("library", "act", "names"),
    [
        pytest.param(
            "milvus",
            use_milvus,
            ["milvus.create_collection", "milvus.insert", "milvus.query", "milvus.search"],
            marks=needs("pymilvus", "milvus-lite", "opentelemetry-instrumentation-milvus"),
        ),
        pytest.param(
            "qdrant",
            use_qdrant,
            ["qdrant.upsert", "qdrant.query_points"],
            marks=needs("qdrant-client", "opentelemetry-instrumentation-qdrant"),
        ),
        pytest.param(
            "chromadb",
            use_chroma,
            ["chroma.add", "chroma.get", "chroma.query"],
            marks=needs("chromadb", "opentelemetry-instrumentation-chromadb"),
        ),
    ],
)
def test_writes_and_searches_are_spans_of_the_caller(library: str, act: Callable[..., Any], names: list[str]) -> None:
    """One span a call; documents and queries are in it only where the capture setting allows content."""
    done = trial(act, library, ANONYMIZED_TELEMETRY="false")
    assert [span.name for span in done.spans] == names
    assert {span.parent for span in done.spans} == {CALLER}


@needs("chromadb", "opentelemetry-instrumentation-chromadb")
def test_documents_are_written_where_capture_allows_it() -> None:
    """Chroma's instrumentation writes documents into events: with content captured they are left there."""
    done = trial(use_chroma, "chromadb", content=True, SIGHTLINE_CAPTURE="full", ANONYMIZED_TELEMETRY="false")
    assert SECRET in str(done.named("chroma.query").events)


@needs("pinecone", "opentelemetry-instrumentation-pinecone", below={"pinecone": (9,)})
def test_pinecone_searches_have_their_namespace(index: str) -> None:
    """One span a call, with k, namespace and score of the search, without documents."""
    done = trial(use_pinecone, "pinecone", attributes=(index,))
    assert [(span.name, span.parent) for span in done.spans] == [
        ("pinecone.upsert", CALLER),
        ("pinecone.query", CALLER),
    ]
    attributes = done.named("pinecone.query").attributes
    assert (attributes["pinecone.query.top_k"], attributes["pinecone.query.namespace"]) == (1, "red")
    assert "0.9" in str(done.named("pinecone.query").events)
