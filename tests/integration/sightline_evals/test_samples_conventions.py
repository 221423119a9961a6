"""Whatever convention told a question, its answer and its passages: the same sample for a judge."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import rag_spans
from content_shapes import SHAPES
from convention_spans import START_NS, Insert, Spans, insert_into
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from rag_spans import ANSWER, ANSWERED_BY, PASSAGES, QUESTION, SILENT

from sightline_collector.spool import record
from sightline_store import ingest
from sightline_store.client import Client
from sightline_store.contents import spans, traces
from sightline_store.contents.spans import StoredSpan
from sightline_store.conventions import report
from sightline_store.ingest import Signal
from sightline_store.questions import queries, sampled

_ALL = 100 * 365 * 86_400


@pytest.fixture(scope="module")
def client(emptied: Callable[..., Client]) -> Client:
    """A client of tables that only this module uses meanwhile."""
    return emptied()


@pytest.fixture(scope="module")
def insert(client: Client) -> Insert:
    """Puts an OTLP request into the store."""
    return insert_into(client)


@pytest.fixture(scope="module")
def answered(emptied: Callable[..., Client], tmp_path_factory: pytest.TempPathFactory) -> Client:
    """A store with what the real packages tell of a question answered from passages, with content and without."""
    client, folder = emptied("emptied_second"), tmp_path_factory.mktemp("answered")
    command = [sys.executable, rag_spans.__file__, str(folder)]
    made = subprocess.run(command, stderr=subprocess.PIPE, timeout=120, check=False)
    assert made.returncode == 0, made.stderr.decode()[-2000:]
    for file in folder.iterdir():
        ingest.insert_segment(client, Signal.TRACES, record.encode(file.read_bytes()), file.name)
    return client


def _samples(client: Client, **wishes: Any) -> list[dict[str, Any]]:
    return sampled.contents(client, sampled.requests(client, since_s=_ALL, **wishes))


def test_real_packages_answers_become_samples(answered: Client) -> None:
    """LangChain, LlamaIndex and OpenAI by OpenInference and OpenLLMetry: question, answer and passages, exactly."""
    services = {
        row["SpanId"]: (row["ServiceName"], row["Name"])
        for row in answered.query_rows("SELECT SpanId, ServiceName, Name FROM requests WHERE Name LIKE 'ask %'")
    }
    assert len(services) == 12
    found = {services.pop(row["span_id"]): row for row in _samples(answered)}
    assert {service for service, _ in services.values()} == {f"{family}-silent" for family in SILENT}
    assert sorted(found) == [
        (family, f"ask {name}") for family in SILENT for name in ("langchain", "llama_index", "openai")
    ]
    for (_, name), row in found.items():
        assert row["question"] == QUESTION
        assert row["answer"] == ANSWER
        assert sorted(row["contexts"]) == sorted(PASSAGES.values())
        assert row["model"] == ("llama3" if name == "ask llama_index" else ANSWERED_BY)
        # The Trace page reads the same, with the ids of the passages.
        shown = traces.conversation(traces.read(queries.trace_contents(answered, row["trace_id"])))
        assert (shown.question, shown.answer) == (QUESTION, ANSWER)
        assert {passage.identity: passage.content for passage in shown.passages} == PASSAGES


def test_real_packages_keys_are_understood(answered: Client) -> None:
    """Of what OpenInference and OpenLLMetry write, nothing that looks meant for us is unknown."""
    stored = report.report(answered, since_s=86_400)
    assert {part.convention for part in stored.conventions} >= set(SILENT)
    assert [unknown.key for unknown in stored.unknown] == []


def test_content_that_was_switched_off_is_not_shown(answered: Client) -> None:
    """Neither a question nor an answer nor a passage's text, of either family."""
    for row in answered.query_rows(
        "SELECT TraceId FROM requests WHERE ServiceName LIKE '%-silent' AND Name LIKE 'ask %'"
    ):
        shown = traces.conversation(traces.read(queries.trace_contents(answered, row["TraceId"])))
        assert (shown.question, shown.answer) == ("", "")
        assert [passage.content for passage in shown.passages if passage.content] == []


def test_content_of_every_shape_comes_back_from_the_store(client: Client, insert: Insert) -> None:
    """The question to the store leaves no key out that the reader of content knows."""
    stored = Spans()
    kinds = {"model": "chat", "agent": "invoke_agent", "workflow": "invoke_workflow", "": ""}
    for number, shape in enumerate(SHAPES.values(), 1):
        stored.add({**shape.attributes, "gen_ai.operation.name": kinds[shape.stage]}, trace=number)
        span = stored.resource.scope_spans[-1].spans[-1]
        for name, attributes in shape.events:
            event = span.events.add(name=name, time_unix_nano=START_NS)
            for key, value in attributes.items():
                event.attributes.add(key=key).value.string_value = value
    stored.rows(client, insert, "SELECT 1")
    for number, shape in enumerate(SHAPES.values(), 1):
        (content,) = traces.read(queries.trace_contents(client, f"{number:032x}"))
        expected = spans.read(StoredSpan("a", "", START_NS, shape.stage, shape.attributes, shape.events))
        assert (content.input, content.output) == (expected.input, expected.output)


@pytest.mark.parametrize("has_event_name", [True, False])
def test_an_answer_in_logs_belongs_to_its_span(client: Client, insert: Insert, *, has_event_name: bool) -> None:
    """OpenTelemetry's own OpenAI instrumentation writes messages as logs inside the span of the call.

    Older ones name the event in an attribute of the log.
    """
    stored = Spans()
    root = stored.add(_ROOT, trace=7)
    found = {"gen_ai.operation.name": "retrieval", "gen_ai.retrieval.documents": _json([{"id": "a", "content": "one"}])}
    stored.add(found, trace=7, parent=root, after_ms=1)
    call = stored.add({"gen_ai.operation.name": "chat"}, trace=7, parent=root, after_ms=2)
    stored.rows(client, insert, "SELECT 1")
    logs = ExportLogsServiceRequest()
    scoped = logs.resource_logs.add().scope_logs.add()
    for name, body in (("gen_ai.user.message", {"content": "Q?"}), ("gen_ai.choice", {"message": {"content": "A."}})):
        log = scoped.log_records.add(time_unix_nano=START_NS + 3_000_000, span_id=call.to_bytes(8, "big"))
        if has_event_name:
            log.event_name = name
        else:
            log.attributes.add(key="event.name").value.string_value = name
        log.trace_id, log.body.string_value = (7).to_bytes(16, "big"), _json(body)
    ingest.insert_segment(client, Signal.LOGS, record.encode(logs.SerializeToString()), f"{has_event_name}")
    (row,) = _samples(client)
    assert (row["question"], row["answer"], row["contexts"]) == ("Q?", "A.", ["one"])


def _json(value: Any) -> str:
    return json.dumps(value)


def _node(text: str) -> str:
    return _json({"node": {"id_": text, "text": text, "class_name": "TextNode"}, "score": 0.5})


_USER = [
    {"role": "user", "content": "first"},
    {"role": "assistant", "content": "no"},
    {"role": "user", "content": "Q?"},
]
_ROOT = {"http.route": "/ask"}
_DOCUMENTS = [{"page_content": "one", "metadata": {"id": "a"}}, {"page_content": "two", "metadata": {"id": "b"}}]
# By convention: the attributes of a retrieval and of the call of a model after it, or of what stands around both.
_TOLD: dict[str, list[dict[str, Any]]] = {
    "semantic conventions": [
        {
            "gen_ai.operation.name": "retrieval",
            "gen_ai.retrieval.query.text": "Q?",
            "gen_ai.retrieval.documents": _json(
                [{"id": "a", "score": 1, "content": "one"}, {"id": "b", "text": "two"}]
            ),
        },
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.output.messages": _json(
                [
                    {
                        "role": "assistant",
                        "parts": [
                            {"type": "reasoning", "content": "hm"},
                            {"type": "text", "content": "A."},
                            {"type": "tool_call", "name": "look"},
                        ],
                    }
                ]
            ),
        },
    ],
    "OpenInference, contents in parts": [
        {
            "openinference.span.kind": "RETRIEVER",
            "retrieval.documents.0.document.content": "one",
            "retrieval.documents.10.document.content": "two",
        },
        {
            "openinference.span.kind": "LLM",
            "llm.input_messages.0.message.role": "user",
            "llm.input_messages.0.message.contents.0.message_content.text": "Q?",
            "llm.output_messages.0.message.role": "assistant",
            "llm.output_messages.0.message.contents.0.message_content.text": "A.",
        },
    ],
    "OpenInference, values only": [
        {"openinference.span.kind": "CHAIN", "input.value": _json({"input": {"history": [], "question": "Q?"}})},
        {
            "openinference.span.kind": "RETRIEVER",
            "input.value": "q",
            "output.value": _json({"documents": _DOCUMENTS}),
            "output.mime_type": "application/json",
        },
        {
            "openinference.span.kind": "LLM",
            "output.value": _json({"choices": [{"message": {"role": "assistant", "content": "A."}}]}),
            "output.mime_type": "application/json",
        },
    ],
    "OpenLLMetry's first names": [
        {
            "traceloop.span.kind": "workflow",
            "traceloop.entity.input": _json({"inputs": {"question": "Q?"}, "query": {"filter": 1}, "kwargs": {}}),
        },
        {
            "traceloop.span.kind": "task",
            "traceloop.entity.name": "VectorStoreRetriever.task",
            "traceloop.entity.output": _json({"documents": _DOCUMENTS}),
        },
        {
            "llm.request.type": "chat",
            "gen_ai.prompt.0.role": "system",
            "gen_ai.prompt.0.content": "Be brief.",
            "gen_ai.prompt.1.role": "user",
            "gen_ai.prompt.1.content": _json([{"type": "text", "text": "Q?"}]),
            "gen_ai.completion.0.role": "assistant",
            "gen_ai.completion.0.content": "A.",
        },
    ],
    "Langfuse": [
        {"langfuse.observation.type": "retriever", "langfuse.observation.output": _json(["one", "two"])},
        {
            "langfuse.observation.type": "generation",
            "langfuse.observation.input": _json(_USER),
            "langfuse.observation.output": _json({"role": "assistant", "content": "A."}),
        },
    ],
    "MLflow": [
        {"mlflow.spanType": '"CHAIN"', "mlflow.spanInputs": _json({"question": "Q?"})},
        {"mlflow.spanType": '"RETRIEVER"', "mlflow.spanOutputs": _json(_DOCUMENTS)},
        {"mlflow.spanType": '"CHAT_MODEL"', "mlflow.spanOutputs": _json("A.")},
    ],
    "Vercel behind another's retriever": [
        {"openinference.span.kind": "RETRIEVER", "output.value": _json(_DOCUMENTS), "output.mime_type": "a"},
        {"ai.operationId": "ai.generateText", "ai.prompt": _json({"prompt": "Q?"}), "ai.response.text": "A."},
        {"ai.operationId": "ai.generateText.doGenerate", "ai.response.text": "A."},
    ],
    "LangSmith": [
        {"langsmith.span.kind": "retriever", "gen_ai.completion": _json({"documents": _DOCUMENTS})},
        {
            "langsmith.span.kind": "llm",
            "gen_ai.prompt": _json({"messages": _USER}),
            "gen_ai.completion": _json({"generations": [[{"text": "A."}]]}),
        },
    ],
    "OpenLLMetry's LlamaIndex with a reranker": [
        {"traceloop.entity.name": "Engine.workflow", "traceloop.entity.input": _json({"str_or_query_bundle": "Q?"})},
        {"traceloop.entity.name": "VectorIndexRetriever.task", "traceloop.entity.output": _json([_node("nothing")])},
        {
            "traceloop.entity.name": "SentenceTransformerRerank.task",
            "traceloop.entity.output": _json([_node("one"), _node("two")]),
        },
        {"gen_ai.operation.name": "chat", "gen_ai.completion.0.content": "A."},
    ],
    "a reranker": [
        {"openinference.span.kind": "RETRIEVER", "retrieval.documents.0.document.content": "nothing"},
        {
            "openinference.span.kind": "RERANKER",
            "reranker.query": "Q?",
            "reranker.input_documents.0.document.content": "nothing",
            "reranker.output_documents.0.document.content": "one",
            "reranker.output_documents.1.document.content": "two",
        },
        {
            "openinference.span.kind": "LLM",
            "llm.input_messages.0.message.role": "user",
            "llm.input_messages.0.message.content": "Q?",
            "llm.output_messages.0.message.content": "A.",
        },
    ],
}


def _asked_of(client: Client, insert: Insert, told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The samples of one trace: a request with these spans below it, one after the other."""
    written = Spans()
    root = written.add(_ROOT, trace=1)
    for number, attributes in enumerate(told):
        written.add(attributes, trace=1, parent=root, after_ms=10 * number, ms=5)
    written.rows(client, insert, "SELECT 1")
    return _samples(client)


@pytest.mark.parametrize("convention", _TOLD)
def test_a_sample_in_each_convention(client: Client, insert: Insert, convention: str) -> None:
    """The user's last question, what the model said last, and the passages in their order."""
    (row,) = _asked_of(client, insert, _TOLD[convention])
    assert (row["question"], row["answer"], row["contexts"]) == ("Q?", "A.", ["one", "two"])


def test_content_in_events_of_spans(client: Client, insert: Insert) -> None:
    """What a vector store's instrumentation found, and messages that are told as events."""
    written = Spans()
    root = written.add(_ROOT, trace=1)
    found = {"db.system": "chroma", "db.operation": "query", "db.vector.query.top_k": 2}
    for name, texts in (
        ("db.query.result", ("one", "two")),
        ("gen_ai.user.message", ("Q?",)),
        ("gen_ai.choice", ("A.",)),
    ):
        attributes = found if name == "db.query.result" else {"gen_ai.operation.name": "chat"}
        written.add(attributes, trace=1, parent=root, after_ms=1 if attributes is found else 2)
        key = {"gen_ai.user.message": "content", "gen_ai.choice": "message"}.get(name, "db.query.result.document")
        for text in texts:
            event = written.resource.scope_spans[-1].spans[-1].events.add(name=name, time_unix_nano=START_NS)
            event.attributes.add(key=key).value.string_value = text if attributes is found else _json([{"text": text}])
    # The user's message and the answer are events of one span.
    asked, chosen = (written.resource.scope_spans[-n].spans[-1] for n in (2, 1))
    chosen.events.extend(asked.events)
    written.rows(client, insert, "SELECT 1")
    (row,) = _samples(client)
    assert (row["question"], row["answer"], row["contexts"]) == ("Q?", "A.", ["one", "two"])


def test_of_nested_retrievals_the_outer_ones_passages_count(client: Client, insert: Insert) -> None:
    """A retriever that compresses what another found; what two others found is put together, each passage once."""
    model = {"openinference.span.kind": "LLM", "llm.output_messages.0.message.content": "A."}

    def found(*texts: str) -> dict[str, Any]:
        documents = {f"retrieval.documents.{n}.document.content": text for n, text in enumerate(texts)}
        return {"openinference.span.kind": "RETRIEVER", "input.value": "Q?", **documents}

    written = Spans()
    outer = written.add(found("two", "three"), trace=1)
    written.add(found("one", "two", "three"), trace=1, parent=outer, after_ms=1)
    written.add(found("three", "four"), trace=1, after_ms=2)
    written.add(model, trace=1, after_ms=3)
    written.add(_ROOT, trace=1)
    written.rows(client, insert, "SELECT 1")
    (row,) = _samples(client, limit=1)
    assert row["contexts"] == ["two", "three", "four"]


@pytest.mark.parametrize(
    "told",
    [
        *('{"documents": [{"page_con', "[{", '"', "{}", "[]", "[[], null, 1]", "null", " "),
        '[{"content": {"a": 1}, "text": [2], "query": 3}]',
        '{"question": {"a": 1}, "content": 2, "documents": [{"content": true}]}',
        "<generator object>",
        "<async_generator object answer at 0x7f00>",
        '["<NodeWithScore(node=TextNode(id_=a), score=0.5)>"]',
    ],
)
def test_content_that_cannot_be_read_is_not_made_up(client: Client, insert: Insert, told: str) -> None:
    """Cut off or of another shape, it neither fails the question nor becomes an answer or a passage."""
    rows = _asked_of(
        client,
        insert,
        [
            {"gen_ai.operation.name": "retrieval", "gen_ai.retrieval.documents": told},
            {"traceloop.entity.name": "Retriever", "traceloop.entity.input": told, "traceloop.entity.output": told},
            {"gen_ai.operation.name": "chat", "gen_ai.input.messages": told, "gen_ai.output.messages": told},
            {"mlflow.spanType": '"CHAT_MODEL"', "mlflow.spanOutputs": told, "mlflow.spanInputs": told},
        ],
    )
    assert [(row["question"].strip(), row["answer"].strip()) for row in rows] == [("", "")]
    assert [text.strip() for text in rows[0]["contexts"] if text.strip()] == []


@pytest.mark.parametrize(
    "told",
    [
        [{"traceloop.span.kind": "workflow", "traceloop.entity.input": "Q?", "traceloop.entity.output": "A."}],
        [{"openinference.span.kind": "LLM", "output.value": "A.", "output.mime_type": "text/plain"}],
        [{"openinference.span.kind": "RETRIEVER", "output.value": '["one"]', "output.mime_type": "application/json"}],
        [{"llm.request.type": "chat", "gen_ai.completion.0.content": "A."}],
        [{"gen_ai.operation.name": "chat"}, {"gen_ai.operation.name": "retrieval"}],
    ],
)
def test_a_trace_without_passages_or_an_answer_takes_no_place(
    client: Client, insert: Insert, told: list[dict[str, Any]]
) -> None:
    """A chat that searched nothing, a search that nobody answered from, calls without content."""
    assert _asked_of(client, insert, told) == []


def test_what_a_reranker_left_of_the_passages_counts_even_if_it_is_nothing(client: Client, insert: Insert) -> None:
    """The answer was not written from what a reranker threw away."""
    (row,) = _asked_of(
        client,
        insert,
        [
            {"gen_ai.operation.name": "retrieval", "gen_ai.retrieval.documents": _json([{"content": "one"}])},
            {"sightline.stage": "rerank", "sightline.rerank.documents": "[]"},
            {"gen_ai.operation.name": "chat", "gen_ai.completion.0.content": "A."},
        ],
    )
    assert (row["answer"], row["contexts"]) == ("A.", [])


def test_a_request_below_a_parent_that_was_never_exported_is_judged(client: Client, insert: Insert) -> None:
    """A gateway or a browser began the trace and told nobody: the topmost span of the application is the request."""
    stored = Spans()
    root = stored.add(_ROOT, trace=9, parent=0xABCDEF, server=True)
    found = {"gen_ai.operation.name": "retrieval", "gen_ai.retrieval.documents": _json([{"id": "a", "content": "one"}])}
    stored.add({**found, "gen_ai.retrieval.query.text": "Q?"}, trace=9, parent=root, after_ms=1)
    stored.add({"gen_ai.operation.name": "chat", "gen_ai.completion.0.content": "A."}, trace=9, parent=root, after_ms=2)
    stored.rows(client, insert, "SELECT 1")
    (row,) = _samples(client)
    assert (row["question"], row["answer"], row["contexts"]) == ("Q?", "A.", ["one"])
    (request,) = sampled.requests(client, since_s=_ALL)
    assert (request["trace_id"], request["span_id"], request["drawn_from"]) == (f"{9:032x}", row["span_id"], 1)


def test_what_a_collector_left_out_is_told_with_what_it_kept(client: Client, insert: Insert) -> None:
    """The weight that the collector writes on the spans that it keeps, and the state of a head sampler."""
    stored = Spans()
    root = stored.add(_ROOT | {"sightline.sampling.weight": "20"}, trace=8)
    found = {"gen_ai.operation.name": "retrieval", "gen_ai.retrieval.documents": _json([{"id": "a", "content": "one"}])}
    stored.add({**found, "gen_ai.retrieval.query.text": "Q?"}, trace=8, parent=root, after_ms=1)
    stored.add({"gen_ai.operation.name": "chat", "gen_ai.completion.0.content": "A."}, trace=8, parent=root, after_ms=2)
    stored.resource.scope_spans[-1].spans[-1].trace_state = "ot=th:8"
    stored.rows(client, insert, "SELECT 1")
    (row,) = _samples(client)
    assert (row["sampling_weight"], row["trace_state"]) == (20, "ot=th:8")
