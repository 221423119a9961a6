"""Whatever convention wrote it: who said what, told apart by kind."""

from __future__ import annotations

import json

import pytest
from content_shapes import SHAPES
from provider_messages import ANSWER, ARGUMENTS, IMAGE, PNG, QUESTION, RESULT, THOUGHT

from sightline_store.contents import spans, traces
from sightline_store.contents.parts import Part, PartKind
from sightline_store.contents.spans import SpanContent, StoredSpan


def _read(attributes: dict[str, str], stage: str = "model") -> SpanContent:
    return spans.read(StoredSpan("a", "", 1, stage, attributes))


def _parts(content: SpanContent) -> list[Part]:
    return [part for message in (*content.input, *content.output) for part in message.parts]


@pytest.mark.parametrize("convention", SHAPES)
def test_a_chat_in_each_convention(convention: str) -> None:
    """Question and answer are the words alone; instructions, thoughts, calls, results and images are other parts."""
    shape = SHAPES[convention]
    content = spans.read(StoredSpan("a", "", 1, shape.stage, shape.attributes, shape.events))
    found = traces.conversation([content])
    parts = _parts(content)
    said = set()
    if found.question == QUESTION:
        said.add("question")
    if found.answer == ANSWER:
        said.add("answer")
    if [message.text for message in content.input if message.role == "system"] == ["Be brief."]:
        said.add("system")
    if [part.text for part in parts if part.kind is PartKind.REASONING] == [THOUGHT]:
        said.add("thought")
    calls = [part for part in parts if part.kind is PartKind.TOOL_CALL]
    if [(part.name, json.loads(part.text)) for part in calls] == [("look", ARGUMENTS)]:
        said.add("call")
    if [part.text for part in parts if part.kind is PartKind.TOOL_RESULT] in (
        [RESULT],
        [json.dumps({"result": RESULT})],
    ):
        said.add("result")
    if [(part.media_type, part.size_bytes, part.uri) for part in parts if part.kind is PartKind.IMAGE] == [
        ("image/png", 75, IMAGE)
    ]:
        said.add("image")
    assert said == shape.says
    assert PNG not in "".join(part.text for part in parts)


_DOCUMENT = {"page_content": "one", "metadata": {"id": "a", "source": "s.rst"}}
_NODE = json.dumps({"node": {"id_": "a", "text": "one", "class_name": "TextNode"}, "score": 0.5})
# What a search gave back: attributes, then the ids, scores and texts that are in them.
_FOUND: dict[str, tuple[dict[str, str], list[tuple[str, float | None, str]]]] = {
    "OpenTelemetry": (
        {"gen_ai.retrieval.documents": '[{"id": "a", "score": 0.5, "content": "one"}, {"id": "b", "score": 0.1}]'},
        [("a", 0.5, "one"), ("b", 0.1, "")],
    ),
    "OpenInference": (
        {
            "retrieval.documents.10.document.id": "b",
            "retrieval.documents.10.document.content": "two",
            "retrieval.documents.2.document.id": "a",
            "retrieval.documents.2.document.content": "one",
            "retrieval.documents.2.document.score": "0.5",
        },
        [("a", 0.5, "one"), ("b", None, "two")],
    ),
    "OpenInference, ids in the output": (
        {"output.value": json.dumps({"documents": [{"id": "a", "page_content": "one"}]})},
        [("a", None, "one")],
    ),
    "a reranker": (
        {
            "reranker.output_documents.0.document.id": "a",
            "reranker.output_documents.0.document.content": "one",
            "reranker.output_documents.0.document.score": "0.5",
            "retrieval.documents.0.document.content": "nothing",
        },
        [("a", 0.5, "one")],
    ),
    "LangChain": (
        {"traceloop.entity.output": json.dumps({"documents": [_DOCUMENT], "count": 1})},
        [("a", None, "one")],
    ),
    "LangChain with scores": ({"langfuse.observation.output": json.dumps([[_DOCUMENT, 0.5]])}, [("a", 0.5, "one")]),
    "LlamaIndex": ({"traceloop.entity.output": json.dumps([_NODE])}, [("a", 0.5, "one")]),
    "LangSmith": (
        {"gen_ai.completion": json.dumps({"documents": [{"lc": 1, "type": "constructor", "kwargs": _DOCUMENT}]})},
        [("a", None, "one")],
    ),
    "MLflow": ({"mlflow.spanOutputs": json.dumps([{**_DOCUMENT, "id": "a"}])}, [("a", None, "one")]),
    "Langfuse, texts": ({"langfuse.observation.output": '["one", "two"]'}, [("", None, "one"), ("", None, "two")]),
    "Qdrant's points": (
        {"output.value": json.dumps({"points": [{"id": 7, "score": 0.5, "payload": {"text": "one"}}]})},
        [("7", 0.5, "one")],
    ),
    "Weaviate's objects": (
        {
            "output.value": json.dumps(
                {"objects": [{"uuid": "a", "properties": {"text": "one"}, "metadata": {"distance": 0.5}}]}
            )
        },
        [("a", 0.5, "one")],
    ),
    "nothing": ({"traceloop.entity.output": '{"documents": [], "count": 0}'}, []),
    "a document of no use": (
        {"output.value": '[{"score": true}, null, [], 3, {"id": "a", "score": "NaN"}]'},
        [("a", None, "")],
    ),
}


@pytest.mark.parametrize("convention", _FOUND)
def test_passages_in_each_convention(convention: str) -> None:
    """Ids, scores and texts, in their order; an empty result is known to be empty, and no answer."""
    attributes, expected = _FOUND[convention]
    content = _read(attributes, stage="search")
    assert [(passage.identity, passage.score, passage.content) for passage in content.passages] == expected
    assert content.has_passages
    assert traces.conversation([content]).answer == ""


def test_passages_in_events() -> None:
    """A vector store's instrumentation tells each as an event."""
    events = [("db.query.result", {"db.query.result.id": name, "db.query.result.score": "0.5"}) for name in "ab"]
    content = spans.read(StoredSpan("a", "", 1, "search", {}, events))
    assert [(passage.identity, passage.score) for passage in content.passages] == [("a", 0.5), ("b", 0.5)]


@pytest.mark.parametrize(
    ("attributes", "kinds"),
    [
        ({"gen_ai.tool.call.arguments": '{"a": 1}', "gen_ai.tool.call.result": "ok"}, "tool call, tool result"),
        ({"ai.toolCall.args": '{"a": 1}', "ai.toolCall.result": "ok"}, "tool call, tool result"),
        ({"input.value": '{"a": 1}', "output.value": "ok", "tool.name": "look"}, "tool call, tool result"),
        ({"traceloop.entity.input": '{"a": 1}', "traceloop.entity.output": "ok"}, "tool call, tool result"),
        ({"tool_arguments": '{"a": 1}', "tool_response": "ok"}, "tool call, tool result"),
    ],
)
def test_a_tools_own_span(attributes: dict[str, str], kinds: str) -> None:
    """Arguments and result, and no answer to the user."""
    content = _read(attributes, stage="tool")
    assert ", ".join(part.kind for part in _parts(content)) == kinds
    assert traces.conversation([content]).answer == ""


_MESSAGE = '[{"role": "assistant", "parts": [{"type": "text", "content": "%s"}]}]'


@pytest.mark.parametrize(
    "hostile",
    [
        "[" * 100_000,
        '{"a":' * 900 + "1" + "}" * 900,
        "[" * 900 + "]" * 900,
        '[{"role": "user", "content": ' * 300 + '"x"' + "}]" * 300,
        '{"messages": [{"role": {"a": 1}, "content": {"type": ["x"]}}]}',
        '{"choices": {"message": [3, null, {"content": 7}]}}',
        '[{"type": "image", "source": 3}, {"type": "tool_use"}, {"type": "thinking"}]',
        '[{"role": "tool", "content": [{"type": "tool_result", "content": {"type": 3}}]}]',
        '[{"lc": 1, "id": 3, "kwargs": {"content": {}}}, {"kind": "request", "parts": [3]}]',
        "[('a',)*9999999]",
        "{'a': " * 500,
        "\ud800".encode("utf-8", "replace").decode(),
        '"\\',
        "data:image/png;base64,",
        "NaN",
        "1e999",
    ],
)
def test_hostile_values_are_read_without_an_error(hostile: str) -> None:
    """As every key that holds content, in an event, as elements of a list, at every kind of span."""
    keys = ("gen_ai.input.messages", "gen_ai.output.messages", "output.value", "ai.prompt", "events", "request_data")
    for stage in ("", "model", "search", "tool", "rerank"):
        for key in (*keys, "gen_ai.retrieval.documents", "gen_ai.completion.0.content", "gen_ai.prompt.0"):
            events = [("gen_ai.choice", {"message": hostile, "body": hostile}), ("db.query.result", {"body": hostile})]
            span = StoredSpan("a", "", 1, stage, {key: hostile, f"{key}.1.2.3": hostile}, events)
            traces.conversation(traces.read([span]))


def test_a_value_whose_end_was_cut_off_is_shown_and_not_judged() -> None:
    """Up to where it goes; the row of a sample leaves it out."""
    whole = _MESSAGE % ("word " * 100)
    for length in (120, 200, 300):
        content = _read({"gen_ai.output.messages": whole[:length]})
        found = traces.conversation([content])
        assert found.answer == whole[whole.index("word") : length]
        assert found.is_answer_cut
    found = traces.conversation([_read({"gen_ai.response.text": '["Use asyncio.tim'})])
    assert (found.answer, found.is_answer_cut) == ("Use asyncio.tim", True)
    whole_prompt = {"gen_ai.input.messages": whole[:200], "gen_ai.output.messages": whole}
    assert not traces.conversation([_read(whole_prompt)]).is_answer_cut


def test_an_answer_that_looks_like_something_else_stays_a_text() -> None:
    """JSON that a user asked for, a quotation, a list of texts that is no list of parts."""
    for answer in (
        '{"limit": 3}',
        '"Use it", they say',
        '[{"name": "a"}]',
        "[1] says so",
        "null pointers",
        "[Note: see the manual",
        '[Note: see "limits", the manual',
        "{Note: see the manual, page 3",
        "[1, 2 and 3 are limits",
        "[{see the manual",
        '["a", he said',
        '[{"a": 1}, "b" and so on',
    ):
        message = json.dumps([{"role": "assistant", "parts": [{"type": "text", "content": answer}]}])
        assert traces.conversation([_read({"gen_ai.output.messages": message})]).answer == answer
        assert traces.conversation([_read({"ai.response.text": answer})]).answer == answer


def test_media_say_their_type_and_size_wherever_they_are() -> None:
    """In the message, at an address, or kept by the provider."""
    told = [
        {"type": "input_audio", "input_audio": {"data": PNG, "format": "wav"}},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        {"type": "file", "file": {"file_id": "file-1", "filename": "a.pdf"}},
        {"type": "uri", "modality": "video", "mime_type": "video/mp4", "uri": "gs://bucket/a"},
        {
            "type": "document",
            "title": "Notes",
            "source": {"type": "text", "media_type": "text/plain", "data": "some words"},
        },
    ]
    content = _read({"langfuse.observation.input": json.dumps([{"role": "user", "content": told}])})
    assert [
        (p.kind, p.media_type, p.size_bytes, p.uri[:24], p.identity, p.name or p.text) for p in _parts(content)
    ] == [
        ("audio", "audio/wav", 75, "data:audio/wav;base64,iV", "", ""),
        ("image", "", None, "https://example.com/a.pn", "", ""),
        ("file", "", None, "", "file-1", "a.pdf"),
        ("video", "video/mp4", None, "gs://bucket/a", "", ""),
        ("file", "text/plain", None, "", "", "Notes"),
    ]


def test_the_same_span_sent_twice_is_read_once_with_its_logs() -> None:
    """A log belongs to the span that it was written in, whichever comes first."""
    row = {"span_id": "a", "parent_id": "", "start_ns": 1, "end_ns": 5, "stage": "model", "is_log": False}
    row["attributes"] = {}
    events = {"event_names": ["gen_ai.user.message"], "event_attributes": [{"content": QUESTION}]}
    log = {**row, "is_log": True, "start_ns": 0, "event_names": ["gen_ai.choice"]}
    log["event_attributes"] = [{"body": json.dumps({"message": {"content": ANSWER}})}]
    (span,) = traces.stored_spans([log, {**row, **events}, {**row, **events}])
    found = traces.conversation([spans.read(span)])
    assert (found.question, found.answer, len(found.asked)) == (QUESTION, ANSWER, 1)


def test_an_answer_of_calls_alone_is_an_answer() -> None:
    """It has no words, and is not lost."""
    content = _read({"gen_ai.prompt.0.content": "Q?", "gen_ai.completion.0.tool_calls.0.name": "look"})
    found = traces.conversation([content])
    assert (found.question, found.answer) == ("Q?", "")
    assert [part.name for message in found.answered for part in message.parts] == ["look"]


@pytest.mark.parametrize(
    ("stored", "answer"),
    [
        ([("", "output.value", "chain"), ("model", "gen_ai.completion.0.content", "A.")], "A."),
        ([("model", "ai.response.text", "first"), ("model", "ai.response.text", "A.")], "A."),
        ([("agent", "output.value", "A."), ("model", "output.value", '{"x": {"y": 1}}')], "A."),
        ([("", "output.value", "A."), ("tool", "output.value", "found")], "A."),
        ([("", "input.value", "Q?"), ("cache", "output.value", "A.")], "A."),
        ([("model", "output.value", "__REDACTED__"), ("", "output.value", "null")], ""),
        ([("search", "output.value", "A."), ("embed", "output.value", "A."), ("guard", "output.value", "safe")], ""),
    ],
)
def test_whose_words_are_the_answer(stored: list[tuple[str, str, str]], answer: str) -> None:
    """The model's last ones, else what the outermost step came to; no tool's, no guardrail's and nothing redacted."""
    found = traces.conversation(
        traces.read(StoredSpan(str(n), "", n, stage, {key: value}) for n, (stage, key, value) in enumerate(stored))
    )
    assert found.answer == answer


def _call(span_id: str, parent_id: str, from_to: tuple[int, int], stage: str = "model") -> StoredSpan:
    attributes = {
        "gen_ai.prompt.0.role": "user",
        "gen_ai.prompt.0.content": f"question of {span_id}",
        "gen_ai.completion.0.content": f"answer of {span_id}",
    }
    return StoredSpan(span_id, parent_id, from_to[0], stage, attributes, end_ns=from_to[1])


@pytest.mark.parametrize(
    ("stored", "answering"),
    [
        # A model call inside a model call, which rewrites the question for it.
        ([_call("outer", "", (1, 90)), _call("inner", "outer", (10, 40))], "outer"),
        # Two that tell the same call, with a clock of milliseconds: the outermost, in whatever order they come.
        ([_call("outer", "", (1, 90)), _call("inner", "outer", (1, 90))], "outer"),
        ([_call("inner", "outer", (1, 90)), _call("outer", "", (1, 90))], "outer"),
        # One after the other, and the later one.
        ([_call("rewrite", "", (1, 40)), _call("answer", "", (41, 90))], "answer"),
        # A step around the call passes its answer on; an agent whose calls are unknown answers itself.
        ([_call("agent", "", (1, 99), "agent"), _call("call", "agent", (10, 90))], "call"),
        ([_call("rewrite", "", (1, 40)), _call("agent", "", (41, 99), "agent")], "agent"),
    ],
)
def test_the_answer_that_ended_last_is_the_trace_s(stored: list[StoredSpan], answering: str) -> None:
    """With the question and the span of the same call."""
    found = traces.conversation(traces.read(stored))
    assert (found.answer, found.model_span_id) == (f"answer of {answering}", answering)
    assert [message.text for message in found.asked] == [f"question of {answering}"]
    if all(span.stage == "model" for span in stored):
        assert found.question == f"question of {answering}"


def test_the_statement_of_a_database_is_no_question() -> None:
    """What was searched for is one, in the attribute that holds it."""
    search = {"db.query.text": "SELECT text FROM documents", "db.vector.query.content": QUESTION}
    assert traces.conversation([_read(search, "search")]).question == QUESTION
    del search["db.vector.query.content"]
    assert traces.conversation([_read(search, "search")]).question == ""
