"""What a search gave back, in every shape that conventions record it: ids, counts, and results that are empty."""

from __future__ import annotations

import json
from typing import Any

from convention_spans import Insert, Spans

from sightline_store.client import Client

_LANGCHAIN = [
    {"id": "a", "page_content": "one", "metadata": {"source": "x"}, "type": "Document"},
    {"id": "b", "page_content": "two", "metadata": {}, "type": "Document"},
]
_NAMELESS = [{"id": None, "page_content": "one", "metadata": {}}, {"page_content": "two", "metadata": {}}]
_LLAMA = [{"node": {"id_": "n1", "text": "one"}, "score": 0.5}, {"node": {"id_": "n2", "text": "two"}, "score": 0.25}]

_OPENINFERENCE = {"openinference.span.kind": "RETRIEVER"}
_OPENLLMETRY = {"traceloop.span.kind": "task", "traceloop.entity.name": "VectorStoreRetriever.task"}
_LANGFUSE = {"langfuse.observation.type": "retriever"}
_MLFLOW = {"mlflow.spanType": '"RETRIEVER"'}
_LANGSMITH = {"langsmith.span.kind": "retriever"}
_INDEXED = {f"retrieval.documents.{n}.document.content": text for n, text in enumerate(("one", "two"))}

_CASES: dict[str, tuple[dict[str, Any], tuple[int | None, bool, list[str]]]] = {
    # Passages with and without an id.
    "openinference indexed content only": ({**_OPENINFERENCE, **_INDEXED}, (2, False, [])),
    "openinference ids in the output": (
        {**_OPENINFERENCE, **_INDEXED, "output.value": json.dumps({"documents": _LANGCHAIN})},
        (2, False, ["a", "b"]),
    ),
    "openinference nodes in the output": (
        {**_OPENINFERENCE, "output.value": json.dumps(_LLAMA)},
        (2, False, ["n1", "n2"]),
    ),
    "openinference indexed metadata only": (
        {**_OPENINFERENCE, "retrieval.documents.0.document.metadata": '{"id": "m"}'},
        (1, False, ["m"]),
    ),
    "openinference indexed ids win": (
        {
            **_OPENINFERENCE,
            "retrieval.documents.0.document.id": "mine",
            "output.value": json.dumps([{"id": "theirs"}]),
        },
        (1, False, ["mine"]),
    ),
    "openinference another number in the output": (
        {**_OPENINFERENCE, **_INDEXED, "output.value": json.dumps(_LLAMA[:1])},
        (2, False, []),
    ),
    "openllmetry documents without ids": (
        {**_OPENLLMETRY, "traceloop.entity.output": json.dumps({"documents": _NAMELESS})},
        (2, False, []),
    ),
    "openllmetry json in a list": (
        {**_OPENLLMETRY, "traceloop.entity.output": json.dumps([json.dumps(node) for node in _LLAMA])},
        (2, False, ["n1", "n2"]),
    ),
    "openllmetry count only": ({**_OPENLLMETRY, "traceloop.entity.output": '{"count": 3}'}, (3, False, [])),
    "openllmetry texts": (
        {**_OPENLLMETRY, "traceloop.entity.output": '{"documents": ["page_content=one", "page_content=two"]}'},
        (2, False, []),
    ),
    "langfuse documents": (
        {**_LANGFUSE, "langfuse.observation.output": json.dumps(_LANGCHAIN)},
        (2, False, ["a", "b"]),
    ),
    "langfuse documents without ids": (
        {**_LANGFUSE, "langfuse.observation.output": json.dumps(_NAMELESS)},
        (2, False, []),
    ),
    "langfuse json in json": (
        {**_LANGFUSE, "langfuse.observation.output": json.dumps(json.dumps(_LANGCHAIN))},
        (2, False, ["a", "b"]),
    ),
    "mlflow": ({**_MLFLOW, "mlflow.spanOutputs": json.dumps(_LANGCHAIN)}, (2, False, ["a", "b"])),
    "mlflow without ids": ({**_MLFLOW, "mlflow.spanOutputs": json.dumps(_NAMELESS)}, (2, False, [])),
    "mlflow id in the metadata": (
        {**_MLFLOW, "mlflow.spanOutputs": '[{"page_content": "one", "metadata": {"id": "m"}, "id": null}]'},
        (1, False, ["m"]),
    ),
    "langsmith": ({**_LANGSMITH, "gen_ai.completion": json.dumps({"documents": _LANGCHAIN})}, (2, False, ["a", "b"])),
    "semantic conventions without ids": (
        {
            "gen_ai.operation.name": "retrieval",
            "gen_ai.retrieval.documents": '[{"content": "one"}, {"content": "two"}]',
        },
        (2, False, []),
    ),
    "semantic conventions with an output": (
        {"gen_ai.operation.name": "retrieval", "output.value": json.dumps({"nodes": _LLAMA})},
        (2, False, ["n1", "n2"]),
    ),
    "number ids": (
        {"gen_ai.operation.name": "retrieval", "gen_ai.retrieval.documents": '[{"id": 7, "score": 0.5}]'},
        (1, False, ["7"]),
    ),
    # Nothing came back.
    "empty with a count": (
        {**_OPENLLMETRY, "traceloop.entity.output": '{"documents": [], "count": 0}'},
        (0, True, []),
    ),
    "count 0": ({**_OPENLLMETRY, "traceloop.entity.output": '{"count": 0}'}, (0, True, [])),
    "openinference empty object": ({**_OPENINFERENCE, "output.value": '{"documents": []}'}, (0, True, [])),
    "openinference empty output": ({**_OPENINFERENCE, "output.value": ""}, (0, True, [])),
    "langfuse empty list": ({**_LANGFUSE, "langfuse.observation.output": "[]"}, (0, True, [])),
    "langfuse empty list in quotes": ({**_LANGFUSE, "langfuse.observation.output": '"[]"'}, (0, True, [])),
    "mlflow empty list": ({**_MLFLOW, "mlflow.spanOutputs": "[ ]"}, (0, True, [])),
    "mlflow null": ({**_MLFLOW, "mlflow.spanOutputs": "null"}, (0, True, [])),
    "semantic conventions empty": (
        {"gen_ai.operation.name": "retrieval", "gen_ai.retrieval.documents": "[]"},
        (0, True, []),
    ),
    # Nothing can be known.
    "no output": (_OPENINFERENCE, (None, False, [])),
    "redacted": ({**_OPENINFERENCE, "output.value": "__REDACTED__"}, (None, False, [])),
    "cut off": ({**_MLFLOW, "mlflow.spanOutputs": '[{"page_content": "on'}, (None, False, [])),
    "an object of Python": (
        {**_LANGFUSE, "langfuse.observation.output": "[Document(page_content='x')]"},
        (None, False, []),
    ),
    "an answer": ({**_OPENINFERENCE, "output.value": '{"answer": "one"}'}, (None, False, [])),
}


def test_every_passage_is_counted_and_empty_results_are_known(client: Client, insert: Insert) -> None:
    """Ids where the span has them, a number where it has passages or a count, and empty where nothing came back."""
    spans = Spans()
    for attributes, _ in _CASES.values():
        spans.add(attributes)
    rows = spans.rows(client, insert, "SELECT Returned, IsEmpty, DocumentIds FROM retrievals ORDER BY SpanId")
    found = {
        name: (row["Returned"], row["IsEmpty"], [id_ for id_ in row["DocumentIds"] if id_])
        for name, row in zip(_CASES, rows, strict=True)
    }
    assert found == {name: expected for name, (_, expected) in _CASES.items()}


def test_scores_of_indexed_passages_stay_beside_ids_of_the_output(client: Client, insert: Insert) -> None:
    """Passages have the scores of their attributes and the ids of the output."""
    spans = Spans()
    spans.add(
        {
            **_OPENINFERENCE,
            **_INDEXED,
            "retrieval.documents.0.document.score": 0.75,
            "output.value": json.dumps(_LLAMA),
        }
    )
    (row,) = spans.rows(client, insert, "SELECT DocumentIds, Scores, TopScore FROM retrievals")
    assert row == {"DocumentIds": ["n1", "n2"], "Scores": [0.75, None], "TopScore": 0.75}


def test_output_of_other_spans_is_no_search(client: Client, insert: Insert) -> None:
    """A chain that returns documents is a chain: no row."""
    spans = Spans()
    spans.add({"openinference.span.kind": "CHAIN", "output.value": json.dumps({"documents": _LANGCHAIN})})
    spans.add({"langfuse.observation.type": "span", "langfuse.observation.output": "[]"})
    assert spans.rows(client, insert, "SELECT * FROM retrievals") == []
