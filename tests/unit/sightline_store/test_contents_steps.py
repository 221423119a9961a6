"""Content of steps and of streams: what is no answer, and calls of tools that only chunks hold."""

from __future__ import annotations

import json
from typing import Any

from sightline_store.contents import spans, traces
from sightline_store.contents.parts import Part, PartKind
from sightline_store.contents.spans import StoredSpan


def test_the_text_of_a_splitter_is_no_answer() -> None:
    """OpenLLMetry's step of LlamaIndex gives back the parts of a text; a trace without an answer has none."""
    attributes = {
        "traceloop.entity.name": "TokenTextSplitter.task",
        "traceloop.span.kind": "task",
        "traceloop.entity.input": '{"text": "csv.DictReader reads rows"}',
        "traceloop.entity.output": '["csv.DictReader reads rows"]',
    }
    content = spans.read(StoredSpan("a", "", 1, "", attributes))
    assert content.output == ()
    assert traces.conversation([content]).answer == ""


def _chunk(number: int, *calls: dict[str, Any]) -> tuple[str, dict[str, str]]:
    delta = {"content": None, "role": None, "tool_calls": list(calls)}
    chunk = {"id": "answer-6-0", "choices": [{"delta": delta, "index": 0}], "object": "chat.completion.chunk"}
    return f"mlflow.chunk.item.{number}", {"mlflow.chunk.value": json.dumps(chunk)}


def test_calls_of_tools_are_put_together_from_the_chunks_of_a_stream() -> None:
    """MLflow's answer of the stream has no calls; the pieces of two calls come in turns."""
    events = (
        _chunk(1, {"index": 0, "id": "call-1", "function": {"arguments": "", "name": "lookup"}, "type": "function"}),
        _chunk(2, {"index": 0, "id": None, "function": {"arguments": '{"word": ', "name": None}, "type": None}),
        _chunk(3, {"index": 1, "id": "call-2", "function": {"arguments": "{}", "name": "now"}, "type": "function"}),
        _chunk(4, {"index": 0, "id": None, "function": {"arguments": '"timeout"}', "name": None}, "type": None}),
        ("mlflow.chunk.item.5", {"mlflow.chunk.value": '{"choices": [{"delta": null}]}'}),
    )
    message = {"content": "", "role": "assistant", "tool_calls": None}
    attributes = {"mlflow.spanOutputs": json.dumps({"choices": [{"finish_reason": "stop", "message": message}]})}
    content = spans.read(StoredSpan("a", "", 1, "model", attributes, events))
    assert [part for said in content.output for part in said.parts if part.kind is PartKind.TOOL_CALL] == [
        Part(PartKind.TOOL_CALL, '{"word": "timeout"}', "lookup", "call-1"),
        Part(PartKind.TOOL_CALL, "{}", "now", "call-2"),
    ]


def test_damaged_pieces_of_calls_are_shown_as_they_are() -> None:
    """Members of a wrong type raise nothing; a server that repeats id and name in each piece has one call."""
    repeated = {"index": [0], "id": "call-1", "function": {"arguments": "{}", "name": "lookup"}}
    events = (
        _chunk(1, {**repeated, "function": {"arguments": {"a": 1}, "name": "lookup"}}),
        _chunk(2, repeated),
        _chunk(3, {"index": {}, "id": 5, "function": ["x"]}),
    )
    content = spans.read(StoredSpan("a", "", 1, "model", {}, events))
    assert [(part.text, part.name, part.identity) for said in content.output for part in said.parts] == [
        ('{"a": 1}{}', "lookup", "call-1"),
        ("", "", "5"),
    ]
