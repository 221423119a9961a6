"""Spans of every convention land in the same columns with the same values, whoever wrote them."""

from __future__ import annotations

from typing import Any

import pytest
from convention_spans import Insert, Spans
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from sightline_store.client import Client
from sightline_store.conventions import aliases, canonical, report
from sightline_store.conventions.columns import Column

_ANTHROPIC = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "anthropic"}


@pytest.mark.parametrize(
    ("attributes", "scope", "tokens"),
    [
        # The semantic conventions and those that follow them: cache is inside.
        (
            {
                **_ANTHROPIC,
                "gen_ai.usage.input_tokens": 1100,
                "gen_ai.usage.output_tokens": 50,
                "gen_ai.usage.cache_read.input_tokens": 900,
                "gen_ai.usage.cache_creation.input_tokens": 100,
            },
            "",
            (1100, 50, 900, 100, False),
        ),
        # The next generation's name of cache writes.
        (
            {
                **_ANTHROPIC,
                "gen_ai.usage.input_tokens": 1100,
                "gen_ai.usage.output_tokens": 50,
                "gen_ai.usage.cache_read.input_tokens": 900,
                "gen_ai.usage.cache_write.input_tokens": 100,
            },
            "",
            (1100, 50, 900, 100, False),
        ),
        # Anthropic's own numbers, passed on as they came: more cache than input.
        (
            {
                **_ANTHROPIC,
                "gen_ai.usage.input_tokens": 100,
                "gen_ai.usage.output_tokens": 50,
                "gen_ai.usage.cache_read_input_tokens": 900,
                "gen_ai.usage.cache_creation_input_tokens": 100,
            },
            "",
            (1100, 50, 900, 100, True),
        ),
        # The same where it does not show: the convention's rule.
        (
            {
                **_ANTHROPIC,
                "gen_ai.usage.input_tokens": 1000,
                "gen_ai.usage.output_tokens": 50,
                "gen_ai.usage.cache_read_input_tokens": 100,
            },
            "openlit.otel.tracing",
            (1100, 50, 100, None, True),
        ),
        (
            {
                "ai.operationId": "ai.streamText.doStream",
                "ai.model.provider": "anthropic.messages",
                "ai.usage.inputTokens": 1000,
                "ai.usage.outputTokens": 50,
                "ai.usage.cachedInputTokens": 100,
            },
            "ai",
            (1100, 50, 100, None, True),
        ),
        (
            {
                "ai.operationId": "ai.generateText.doGenerate",
                "ai.model.provider": "openai.chat",
                "ai.usage.promptTokens": 1000,
                "ai.usage.completionTokens": 50,
                "ai.usage.cachedInputTokens": 100,
            },
            "ai",
            (1000, 50, 100, None, False),
        ),
        (
            {
                "openinference.span.kind": "LLM",
                "llm.provider": "anthropic",
                "llm.token_count.prompt": 1100,
                "llm.token_count.completion": 50,
                "llm.token_count.prompt_details.cache_read": 900,
                "llm.token_count.prompt_details.cache_write": 100,
            },
            "",
            (1100, 50, 900, 100, False),
        ),
        # Langfuse's details stand beside each other.
        (
            {
                "langfuse.observation.type": "generation",
                "langfuse.observation.usage_details": '{"input": 100, "output": 50, "input_cached_tokens": 80}',
            },
            "langfuse-sdk",
            (180, 50, 80, None, True),
        ),
        (
            {"mlflow.spanType": '"CHAT_MODEL"', "mlflow.chat.tokenUsage": '{"input_tokens": 100, "output_tokens": 50}'},
            "",
            (100, 50, None, None, False),
        ),
        (
            {"llm.request.type": "chat", "gen_ai.usage.prompt_tokens": 100, "gen_ai.usage.completion_tokens": 50},
            "",
            (100, 50, None, None, False),
        ),
    ],
)
def test_cache_tokens_are_inside_input_tokens(
    client: Client, insert: Insert, attributes: dict[str, Any], scope: str, tokens: tuple[Any, ...]
) -> None:
    """By provider and convention: what is told apart is added, what is told inside is not added again."""
    spans = Spans()
    spans.add(attributes, scope=scope)
    (row,) = spans.rows(
        client, insert, "SELECT InputTokens, OutputTokens, CacheReadTokens, CacheWriteTokens, CacheAdded FROM llm_calls"
    )
    assert tuple(row.values()) == tokens


def test_a_call_that_is_told_twice_counts_once(client: Client, insert: Insert) -> None:
    """A framework's span around a client's, as parent or beside it; calls of one framework that overlap stay."""
    call = {"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 5}
    spans = Spans()
    outer = spans.add(call, scope="framework", trace=1)
    nested = spans.add(call, scope="client", trace=1, parent=outer, ms=1500, after_ms=100)
    spans.add(call, scope="framework", trace=2)
    beside = spans.add(call, scope="client", trace=2, ms=1500, after_ms=100)
    silent = spans.add({"gen_ai.operation.name": "chat"}, scope="framework", trace=3)
    telling = spans.add(call, scope="framework", trace=3, parent=silent, ms=1500, after_ms=100)
    wrapper = spans.add({**call, "sightline.stage": "model"}, scope="sightline", trace=4)
    spans.add(call, scope="client", trace=4, parent=wrapper, ms=1500, after_ms=100)
    parallel = [spans.add(call, scope="client", trace=5, ms=500 + n) for n in range(3)]
    rows = spans.rows(
        client, insert, "SELECT reinterpretAsUInt64(reverse(unhex(SpanId))) AS id FROM llm_calls ORDER BY id"
    )
    assert [row["id"] for row in rows] == [nested, beside, telling, wrapper, *parallel]


def test_vercels_outer_span_is_no_call(client: Client, insert: Insert) -> None:
    """ai.streamText repeats the usage of ai.streamText.doStream: a workflow, which counts no tokens."""
    usage = {"ai.usage.inputTokens": 10, "ai.usage.outputTokens": 5}
    spans = Spans()
    outer = spans.add({"ai.operationId": "ai.streamText", **usage}, trace=1)
    spans.add({"ai.operationId": "ai.streamText.doStream", **usage}, trace=1, parent=outer)
    rows = spans.rows(client, insert, "SELECT InputTokens, Streaming, Convention FROM llm_calls")
    assert rows == [{"InputTokens": 10, "Streaming": True, "Convention": "vercel"}]


@pytest.mark.parametrize(
    ("attributes", "stage"),
    [
        ({"openinference.span.kind": kind}, stage)
        for kind, stage in {
            "LLM": "model",
            "RETRIEVER": "search",
            "EMBEDDING": "embed",
            "RERANKER": "rerank",
            "TOOL": "tool",
            "AGENT": "agent",
            "GUARDRAIL": "guard",
            "PROMPT": "prompt",
        }.items()
    ]
    + [
        ({"traceloop.span.kind": "tool"}, "tool"),
        ({"langfuse.observation.type": "retriever"}, "search"),
        ({"mlflow.spanType": '"RERANKER"'}, "rerank"),
        ({"gen_ai.operation.name": "execute_tool"}, "tool"),
        ({"db.system": "chroma", "db.operation": "query", "db.vector.query.top_k": 3}, "search"),
        ({"db.system.name": "qdrant", "db.operation.name": "query_points"}, "search"),
        ({"sightline.stage": "queue", "gen_ai.operation.name": "chat"}, "queue"),
    ],
)
def test_kinds_become_stages(client: Client, insert: Insert, attributes: dict[str, Any], stage: str) -> None:
    """Every convention's kinds are our stages; our own word wins."""
    spans = Spans()
    spans.add(attributes)
    assert spans.rows(client, insert, "SELECT Stage FROM stages") == [{"Stage": stage}]


def test_a_search_inside_a_told_retrieval_is_one_retrieval(client: Client, insert: Insert) -> None:
    """Our library's database span without a stage is a step of the retrieval around it; another's span is a search."""
    query = {"db.system.name": "weaviate", "db.operation.name": "hybrid"}
    spans = Spans()
    outer = spans.add({"sightline.stage": "search"}, scope="sightline", trace=1)
    spans.add(query, scope="sightline", trace=1, parent=outer, ms=500, after_ms=100)
    alone = spans.add({**query, "sightline.stage": "search"}, scope="sightline", trace=2)
    foreign = spans.add(query, scope="opentelemetry.instrumentation.weaviate", trace=3)
    number = "reinterpretAsUInt64(reverse(unhex(SpanId))) AS id"
    found = spans.rows(client, insert, f"SELECT {number} FROM retrievals ORDER BY id")
    assert [row["id"] for row in found] == [outer, alone, foreign]
    stages = client.query_rows(f"SELECT {number}, Stage FROM stages ORDER BY id")
    assert [tuple(row.values()) for row in stages] == [(outer, "search"), (alone, "search"), (foreign, "search")]


def test_one_call_with_equal_times_is_not_lost(client: Client, insert: Insert) -> None:
    """Two instrumentations that tell the same call with the same times and tokens leave one row, not none."""
    call = {"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 5}
    spans = Spans()
    spans.add(call, scope="framework", trace=1)
    spans.add(call, scope="client", trace=1)
    assert len(spans.rows(client, insert, "SELECT SpanId FROM llm_calls")) == 1


def test_scores_come_from_spans_too(client: Client, insert: Insert) -> None:
    """An evaluation event on a span, and OpenInference's numbered annotations."""
    spans = Spans()
    spans.add(
        {
            "openinference.span.kind": "EVALUATOR",
            "evaluations.0.evaluation.name": "toxicity",
            "evaluations.0.evaluation.score": 0.25,
            "annotations.0.annotation.name": "thumbs",
            "annotations.0.annotation.label": "up",
            "annotations.0.annotation.annotator_kind": "HUMAN",
        }
    )
    spans.add({"gen_ai.operation.name": "chat"}, events={"gen_ai.evaluation.result": 5})
    event = spans.resource.scope_spans[-1].spans[-1].events[0]
    event.attributes.add(key="gen_ai.evaluation.name").value.string_value = "faithfulness"
    event.attributes.add(key="gen_ai.evaluation.score.value").value.double_value = 0.75
    rows = spans.rows(client, insert, "SELECT Name, Value, Label, Source FROM scores ORDER BY Name")
    assert [tuple(row.values()) for row in rows] == [
        ("faithfulness", 0.75, "", ""),
        ("thumbs", None, "up", "human"),
        ("toxicity", 0.25, "", ""),
    ]


def test_errors_have_type_message_and_stage(client: Client, insert: Insert) -> None:
    """From the status, or from the exception that was recorded."""
    spans = Spans()
    spans.add({"gen_ai.operation.name": "chat", "error.type": "timeout"})
    span = spans.resource.scope_spans[-1].spans[-1]
    span.status.code, span.status.message = Status.STATUS_CODE_ERROR, "took too long"
    spans.add({}, events={"exception": 1})
    span = spans.resource.scope_spans[-1].spans[-1]
    span.status.code = Status.STATUS_CODE_ERROR
    span.events[0].attributes.add(key="exception.type").value.string_value = "ValueError"
    span.events[0].attributes.add(key="exception.message").value.string_value = "no"
    rows = spans.rows(client, insert, "SELECT Stage, ErrorType, Message FROM errors ORDER BY SpanId")
    assert [tuple(row.values()) for row in rows] == [("model", "timeout", "took too long"), ("", "ValueError", "no")]


def test_contents_are_found_in_the_raw_spans(client: Client, insert: Insert) -> None:
    """What was asked and answered, in the spelling of each convention, is one view of otel_traces."""
    spans = Spans()
    for key in (
        "gen_ai.input.messages",
        "input.value",
        "traceloop.entity.input",
        "ai.prompt",
        "gen_ai.prompt.0.content",
    ):
        spans.add({key: "asked"})
    rows = spans.rows(client, insert, "SELECT Input, Output FROM span_contents")
    assert [tuple(row.values()) for row in rows] == [("asked", "")] * 5


def test_the_report_says_who_spoke_and_what_was_not_understood(client: Client, insert: Insert) -> None:
    """Shares of conventions, and a key that nobody knows, with its writer and a value."""
    spans = Spans()
    spans.add({"openinference.span.kind": "LLM", "llm.surprise.3.thing": "new"}, scope="openinference.x")
    spans.add({"gen_ai.operation.name": "chat", "gen_ai.request.temperature": 0.5})
    spans.add({"http.route": "/"})
    spans.add({"http.route": "/"})
    spans.rows(client, insert, "SELECT 1")
    stored = report.report(client, since_s=100 * 365 * 86_400)
    assert {part.convention: part.share for part in stored.conventions} == {
        "openinference": 0.25,
        "otel": 0.25,
        "": 0.5,
    }
    assert [(unknown.key, unknown.spans, unknown.scopes, unknown.example) for unknown in stored.unknown] == [
        ("llm.surprise.N.thing", 1, ("openinference.x",), "new")
    ]
    assert any("llm.surprise.N.thing" in line for line in stored.lines())


def test_a_new_spelling_that_is_preferred_wins(client: Client, insert: Insert, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its number is the highest of its column and its value counts; the older spellings follow in their order."""
    spans = Spans()
    for keys in (("session.id", "my.session"), ("langfuse.session.id", "session.id"), ("my.session",)):
        spans.add({"gen_ai.operation.name": "chat", **{key: f"from {key}" for key in keys}})
    spans.rows(client, insert, "SELECT 1")
    column = aliases.COLUMNS["session"]
    number = max(column.spellings) + 1
    monkeypatch.setitem(aliases.COLUMNS, "session", Column(column.number, {number: "my.session", **column.spellings}))
    aliases.spelling_ids.cache_clear()
    try:
        sql = canonical.canonical_select("otel_traces")
    finally:
        aliases.spelling_ids.cache_clear()
    rows = client.query_rows(f"SELECT SessionId FROM ({sql}) ORDER BY SpanId")
    assert [row["SessionId"] for row in rows] == ["from my.session", "from session.id", "from my.session"]
