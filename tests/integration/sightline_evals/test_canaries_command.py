"""`sightline-evals canaries` on a real Weaviate: what exact search finds becomes what canaries should find."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from weaviate.classes.config import Configure, DataType, Property, VectorDistances
from weaviate.classes.data import DataObject
from weaviate_place import Place

from sightline_evals.__main__ import main
from sightline_evals.drift import canaries

SIZE = 1200
"""Objects: more than two pages."""


@pytest.fixture(scope="module")
def vectors(weaviate_place: Place) -> Iterator[Any]:
    """A collection `Exact`, whose objects have a name beside their id, and its vectors float64[objects, 16]."""
    drawn = np.random.default_rng(8).normal(size=(SIZE, 16))
    collection = weaviate_place.client.collections.create(
        "Exact",
        properties=[Property(name="name", data_type=DataType.TEXT)],
        vector_config=Configure.Vectors.self_provided(
            vector_index_config=Configure.VectorIndex.hnsw(distance_metric=VectorDistances.L2_SQUARED)
        ),
    )
    answer = collection.data.insert_many(
        [DataObject(uuid=_id(i), properties={"name": f"d{i}"}, vector=row.tolist()) for i, row in enumerate(drawn)]
    )
    assert not answer.has_errors
    yield drawn
    weaviate_place.client.collections.delete("Exact")


def _id(number: int) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, str(number)))


def _run(place: Place, folder: Path, questions: list[dict[str, Any]], *flags: str) -> tuple[int, list[canaries.Canary]]:
    asked, out = folder / "questions.jsonl", folder / "canaries.jsonl"
    asked.write_text("\n".join(json.dumps(row) for row in questions))
    command = ["canaries", str(asked), "--weaviate", f"http://127.0.0.1:{place.http}/", "--out", str(out), *flags]
    code = main(command, {})
    return code, canaries.read(out) if out.exists() else []


def test_canaries_expect_what_is_nearest_among_all_objects(
    weaviate_place: Place, vectors: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the collection's own distance, over all pages; by id or by a property."""
    asked = np.random.default_rng(9).normal(size=(3, 16))
    questions = [
        {"id": f"q{i}", "question": f"{i}?", "tenant": "t", "vector": list(row)} for i, row in enumerate(asked)
    ]
    nearest = [np.argsort(np.sum((vectors - row) ** 2, axis=1))[:5] for row in asked]
    flags = ["--collection", "Exact"]
    code, found = _run(weaviate_place, tmp_path, questions, *flags)
    assert code == 0
    assert found == [
        canaries.Canary(f"q{i}", f"{i}?", tuple(_id(int(place)) for place in places), "t")
        for i, places in enumerate(nearest)
    ]
    assert "5 nearest documents of Exact by l2-squared" in capsys.readouterr().out
    _, named = _run(weaviate_place, tmp_path, questions, *flags, "--id-property", "name", "--depth", "3")
    assert [each.expected for each in named] == [tuple(f"d{place}" for place in places[:3]) for places in nearest]


def test_named_vectors_and_tenants_are_chosen(weaviate_place: Place, tmp_path: Path) -> None:
    """Of several vectors one must be named; a tenant's objects are read with its name."""
    question = {"question": "?", "vector": [1.0, 0.0]}
    assert _run(weaviate_place, tmp_path, [question], "--collection", "Named")[0] == 2
    code, found = _run(weaviate_place, tmp_path, [question], "--collection", "Named", "--vector", "short")
    assert (code, len(found[0].expected)) == (0, 1)
    code, found = _run(weaviate_place, tmp_path, [question], "--collection", "Rooms", "--tenant", "red")
    assert (code, len(found[0].expected)) == (0, 1)


@pytest.mark.parametrize(
    ("question", "flags", "words"),
    [
        ({"vector": [1.0, 0.0]}, ["--collection", "Absent"], "HTTP 404"),
        ({"vector": [1.0, 0.0]}, ["--collection", "Rooms", "--tenant", "blue"], "no object with a vector"),
        ({"vector": [1.0]}, ["--collection", "Rooms", "--tenant", "red"], "2 numbers, those of questions 1"),
        ({"vector": [1.0, 0.0]}, ["--collection", "Named", "--vector", "wide"], "no vector 'wide', but long, short"),
        ({}, ["--collection", "Rooms"], "--embeddings and --model are needed"),
        ({"vector": ["a"]}, ["--collection", "Rooms"], "list of numbers"),
        ({}, ["--collection", "Rooms", "--depth", "0"], "--depth is 0"),
        ({}, ["--collection", "Rooms", "--weaviate-header", "key"], "write NAME:VALUE"),
    ],
)
def test_what_cannot_be_done_is_said(
    weaviate_place: Place,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    question: dict[str, Any],
    flags: list[str],
    words: str,
) -> None:
    """Exit code 2, with the reason; nothing is written."""
    assert _run(weaviate_place, tmp_path, [{"question": "?", **question}], *flags) == (2, [])
    assert words in capsys.readouterr().err


def test_a_weaviate_that_is_away_is_infrastructure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 3."""
    asked = tmp_path / "questions.jsonl"
    asked.write_text('{"question": "?", "vector": [1]}')
    assert main(["canaries", str(asked), "--weaviate", "http://127.0.0.1:9", "--collection", "Docs"], {}) == 3
    assert "127.0.0.1:9" in capsys.readouterr().err
