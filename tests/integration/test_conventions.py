"""Spans of every convention land in the same columns with the same values, whoever wrote them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from sightline_collector.spool import record
from sightline_store import aliases, conventions, ingest, schema
from sightline_store.client import Client
from sightline_store.ingest import Signal
from sightline_store.settings import StoreSettings

_START = 1_780_000_000_000_000_000
_SCRIPT = Path(__file__).with_name("foreign_spans.py")
_CALL = "Provider, RequestModel, ResponseModel, InputTokens, OutputTokens, CacheReadTokens, Streaming, FinishReason"

Insert = Callable[[bytes], None]


@pytest.fixture(scope="module")
def client(store_url: str) -> Iterator[Client]:
    """A client of a database of this module's own."""
    client = Client(StoreSettings(url=store_url, database="conventions"))
    schema.apply(client)
    yield client
    client.close()


@pytest.fixture(scope="module")
def insert(client: Client) -> Insert:
    """Puts an OTLP request into the store."""
    number = iter(range(1_000_000))

    def put(body: bytes) -> None:
        ingest.insert_segment(client, Signal.TRACES, record.encode(body), f"conventions-{next(number)}")

    return put


class _Spans:
    """An OTLP request that is being written."""

    def __init__(self) -> None:
        self.request = ExportTraceServiceRequest()
        self.resource = self.request.resource_spans.add()
        self.resource.resource.attributes.add(key="service.name").value.string_value = "foreign"
        self._ids = 0

    def add(
        self,
        attributes: dict[str, Any],
        *,
        scope: str = "",
        ms: float = 2000,
        trace: int = 0,
        parent: int = 0,
        after_ms: float = 0,
        events: dict[str, float] | None = None,
    ) -> int:
        """A span; its number is its id, `trace` 0 makes a trace of its own."""
        self._ids += 1
        scoped = self.resource.scope_spans.add()
        scoped.scope.name = scope
        start = _START + int(after_ms * 1e6)
        span = scoped.spans.add(
            trace_id=(trace or 10_000 + self._ids).to_bytes(16, "big"),
            span_id=self._ids.to_bytes(8, "big"),
            parent_span_id=parent.to_bytes(8, "big") if parent else b"",
            name="span",
            start_time_unix_nano=start,
            end_time_unix_nano=start + int(ms * 1e6),
        )
        for key, value in attributes.items():
            target = span.attributes.add(key=key).value
            kind = {bool: "bool_value", int: "int_value", float: "double_value", str: "string_value"}[type(value)]
            setattr(target, kind, value)
        for name, at_ms in (events or {}).items():
            span.events.add(name=name, time_unix_nano=start + int(at_ms * 1e6))
        return self._ids

    def rows(self, client: Client, insert: Insert, sql: str) -> list[dict[str, Any]]:
        """Insert into emptied tables and ask."""
        tables = "'otel_traces', 'requests', 'llm_calls', 'retrievals', 'embeddings', 'stages', 'errors', 'scores'"
        for row in client.query_rows(
            f"SELECT name FROM system.tables WHERE database = 'conventions' AND total_rows > 0 AND name IN ({tables})"
        ):
            client.command(f"TRUNCATE TABLE {row['name']}")
        insert(self.request.SerializeToString())
        return client.query_rows(sql)


@pytest.fixture(scope="module")
def foreign(store_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A store with the spans of both families in it; the family is the name of the service."""
    client = Client(StoreSettings(url=store_url, database="foreign"))
    schema.apply(client)
    folder = tmp_path_factory.mktemp("foreign")
    families = ("openinference", "openllmetry")
    # Nearly all of their time is importing: both at once.
    running = {
        family: subprocess.Popen([sys.executable, str(_SCRIPT), family, str(folder / family)], stderr=subprocess.PIPE)
        for family in families
    }
    try:
        errors = {family: process.communicate(timeout=120)[1].decode() for family, process in running.items()}
    finally:
        for process in running.values():
            process.kill()
            process.wait()
    for family, process in running.items():
        assert process.returncode == 0, errors[family][-2000:]
        data = record.encode((folder / family).read_bytes())
        ingest.insert_segment(client, Signal.TRACES, data, family)
    yield client
    client.close()


def _foreign_rows(client: Client, select: str) -> dict[str, list[dict[str, Any]]]:
    rows: dict[str, list[dict[str, Any]]] = {"openinference": [], "openllmetry": []}
    for row in client.query_rows(select):
        rows[row.pop("ServiceName")].append(row)
    return rows


def test_real_packages_tell_the_same_calls(foreign: Client) -> None:
    """OpenAI and LangChain, plain and streamed, by OpenInference and OpenLLMetry: the same rows, each call once."""
    rows = _foreign_rows(
        foreign,
        f"SELECT ServiceName, {_CALL} FROM llm_calls WHERE Provider = 'openai' ORDER BY Streaming, Timestamp",
    )
    plain = {
        "Provider": "openai",
        "RequestModel": "gpt-4o-mini",
        "ResponseModel": "gpt-4o-mini-2024-07-18",
        "InputTokens": 1200,
        "OutputTokens": 300,
        "CacheReadTokens": 1024,
        "Streaming": False,
        "FinishReason": "stop",
    }
    told = {family: [row for row in found if row["Streaming"] is not None] for family, found in rows.items()}
    assert told["openinference"][0] == told["openllmetry"][0] == plain
    assert {**plain, "Streaming": True} in told["openinference"]
    assert {**plain, "Streaming": True} in told["openllmetry"]
    # Two of the OpenAI client and two of LangChain, which OpenInference tells twice, once for each of the two.
    assert {family: len(found) for family, found in rows.items()} == {"openinference": 4, "openllmetry": 4}
    for found in rows.values():
        assert {(row["InputTokens"], row["OutputTokens"], row["CacheReadTokens"]) for row in found} == {
            (1200, 300, 1024)
        }


def test_real_packages_tell_the_same_llama_index_calls(foreign: Client) -> None:
    """LlamaIndex asks its model once a question: the spans around that call are not counted."""
    rows = _foreign_rows(
        foreign,
        "SELECT ServiceName, ResponseModel, InputTokens, OutputTokens FROM llm_calls "
        "WHERE ResponseModel = 'llama3' OR RequestModel = 'llama3' ORDER BY Timestamp",
    )
    call = {"ResponseModel": "llama3", "InputTokens": 1200, "OutputTokens": 300}
    assert rows["openinference"] == rows["openllmetry"] == [call, call]


def test_real_packages_streams_have_a_first_token(foreign: Client) -> None:
    """The server waits 150 ms: both families' streams say at least that, by their own definitions."""
    rows = _foreign_rows(
        foreign,
        "SELECT ServiceName, TtftMs, TtftDefinition FROM llm_calls WHERE Provider = 'openai' AND TtftMs IS NOT NULL",
    )
    assert {row["TtftDefinition"] for row in rows["openinference"]} == {"first_token"}
    assert {row["TtftDefinition"] for row in rows["openllmetry"]} == {"first_chunk"}
    for found in rows.values():
        assert all(150 <= row["TtftMs"] < 30_000 for row in found)


def test_real_packages_tell_the_same_searches_and_embeddings(foreign: Client) -> None:
    """Two LlamaIndex searches with scores, one of LangChain, each once with its ids; OpenAI's embedding with tokens."""
    rows = _foreign_rows(
        foreign,
        "SELECT ServiceName, Returned, length(DocumentIds) AS ids, arrayAll(id -> id != '', DocumentIds) AS named, "
        "countEqual(arrayMap(s -> s IS NOT NULL, Scores), 1) AS scored FROM retrievals ORDER BY Timestamp",
    )
    langchain = {"Returned": 2, "ids": 2, "named": 1, "scored": 0}
    llama = {**langchain, "scored": 2}
    assert rows["openinference"] == rows["openllmetry"] == [langchain, llama, llama]
    embedded = _foreign_rows(
        foreign,
        "SELECT ServiceName, RequestModel, InputTokens FROM embeddings WHERE InputTokens IS NOT NULL",
    )
    assert embedded["openinference"] == embedded["openllmetry"]
    assert embedded["openllmetry"] == [{"RequestModel": "text-embedding-3-small", "InputTokens": 7}]


def _spelled(key: str, ttft: aliases.Ttft, ms: float) -> dict[str, Any]:
    """A span's attributes that tell this time to first token in this spelling."""
    if ttft.unit is aliases.Unit.MOMENT:
        moment = datetime.fromtimestamp(_START / 1e9, UTC) + timedelta(milliseconds=ms)
        return {key: moment.isoformat(timespec="microseconds").replace("+00:00", "Z")}
    return {key: ms if ttft.unit is aliases.Unit.MS else ms / 1000}


def test_every_spelling_of_the_time_to_first_token(client: Client, insert: Insert) -> None:
    """Each attribute and each event gives the same time within 1 ms, with its own definition."""
    spans, expected = _Spans(), []
    call = {"gen_ai.operation.name": "chat"}
    for ttft in aliases.TTFT.values():
        for key in ttft.keys:
            spans.add({**call, **_spelled(key, ttft, 437.5)})
            expected.append((key, ttft.definition))
            if ttft.unit is aliases.Unit.S_OR_NS:
                spans.add({**call, key: 437_500_000})
                expected.append((f"{key} in ns", ttft.definition))
            if ttft.unit is aliases.Unit.MOMENT:
                spans.add({**call, key: json.dumps(_spelled(key, ttft, 437.5)[key])})
                expected.append((f"{key} in quotes", ttft.definition))
    for name, definition in aliases.TTFT_EVENTS.items():
        spans.add(call, events={name: 437.5})
        expected.append((name, definition))
    rows = spans.rows(client, insert, "SELECT TtftMs, TtftDefinition FROM llm_calls ORDER BY SpanId")
    assert len(rows) == len(expected)
    for row, (spelling, definition) in zip(rows, expected, strict=True):
        assert row["TtftMs"] == pytest.approx(437.5, abs=1), spelling
        assert row["TtftDefinition"] == definition, spelling


_NUMBER = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True),
    st.integers(-(10**18), 10**18),
    st.sampled_from(["", "soon", "-1", "1e3", "NaN", "1970-01-01T00:00:00Z", '"2026-13-45"', "{}", "9" * 40]),
)
_TTFT_KEYS = sorted(key for ttft in aliases.TTFT.values() for key in ttft.keys)
_TOKEN_KEYS = sorted(key for name, keys in aliases.COLUMNS.items() if name.endswith("_tokens") for key in keys)


@given(
    st.lists(
        st.tuples(st.dictionaries(st.sampled_from(_TTFT_KEYS + _TOKEN_KEYS), _NUMBER, max_size=6), st.floats(0, 1e5)),
        min_size=1,
        max_size=30,
    )
)
@settings(max_examples=12, suppress_health_check=list(HealthCheck))
def test_what_cannot_be_true_is_not_told(
    client: Client, insert: Insert, told: list[tuple[dict[str, Any], float]]
) -> None:
    """Whatever spans say: 0 < TTFT <= duration, token counts are sane, and every call has its row."""
    spans = _Spans()
    for attributes, ms in told:
        spans.add({"gen_ai.operation.name": "chat", **attributes}, ms=ms)
    columns = "InputTokens, OutputTokens, CacheReadTokens, CacheWriteTokens, ReasoningTokens"
    rows = spans.rows(client, insert, f"SELECT TtftMs, TtftDefinition, DurationMs, {columns} FROM llm_calls")
    assert len(rows) == len(told)
    for row in rows:
        assert (row["TtftMs"] is None) == (row["TtftDefinition"] == "")
        assert row["TtftMs"] is None or 0 < row["TtftMs"] <= row["DurationMs"]
        assert all(row[name] is None or 0 <= row[name] <= 4e8 for name in columns.split(", "))
        if row["InputTokens"] is not None:
            assert row["InputTokens"] >= (row["CacheReadTokens"] or 0) + (row["CacheWriteTokens"] or 0)
        if row["OutputTokens"] is not None:
            assert row["OutputTokens"] >= (row["ReasoningTokens"] or 0)


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
    spans = _Spans()
    spans.add(attributes, scope=scope)
    (row,) = spans.rows(
        client, insert, "SELECT InputTokens, OutputTokens, CacheReadTokens, CacheWriteTokens, CacheAdded FROM llm_calls"
    )
    assert tuple(row.values()) == tokens


def test_a_call_that_is_told_twice_counts_once(client: Client, insert: Insert) -> None:
    """A framework's span around a client's, as parent or beside it; calls of one framework that overlap stay."""
    call = {"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 5}
    spans = _Spans()
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
    spans = _Spans()
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
    spans = _Spans()
    spans.add(attributes)
    assert spans.rows(client, insert, "SELECT Stage FROM stages") == [{"Stage": stage}]


def test_a_search_inside_a_told_retrieval_is_one_retrieval(client: Client, insert: Insert) -> None:
    """Our library's database span without a stage is a step of the retrieval around it; another's span is a search."""
    query = {"db.system.name": "weaviate", "db.operation.name": "hybrid"}
    spans = _Spans()
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
    spans = _Spans()
    spans.add(call, scope="framework", trace=1)
    spans.add(call, scope="client", trace=1)
    assert len(spans.rows(client, insert, "SELECT SpanId FROM llm_calls")) == 1


def test_scores_come_from_spans_too(client: Client, insert: Insert) -> None:
    """An evaluation event on a span, and OpenInference's numbered annotations."""
    spans = _Spans()
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
    spans = _Spans()
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
    spans = _Spans()
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
    spans = _Spans()
    spans.add({"openinference.span.kind": "LLM", "llm.surprise.3.thing": "new"}, scope="openinference.x")
    spans.add({"gen_ai.operation.name": "chat", "gen_ai.request.temperature": 0.5})
    spans.add({"http.route": "/"})
    spans.add({"http.route": "/"})
    spans.rows(client, insert, "SELECT 1")
    told = conventions.report(client, since_s=100 * 365 * 86_400)
    assert {one.convention: one.share for one in told.spoken} == {"openinference": 0.25, "otel": 0.25, "": 0.5}
    assert [(one.key, one.spans, one.scopes, one.example) for one in told.unknown] == [
        ("llm.surprise.N.thing", 1, ("openinference.x",), "new")
    ]
    assert any("llm.surprise.N.thing" in line for line in told.lines())


def test_real_packages_keys_are_understood(foreign: Client) -> None:
    """Of what OpenInference and OpenLLMetry write, nothing that looks meant for us is unknown."""
    told = conventions.report(foreign, since_s=86_400)
    assert {one.convention for one in told.spoken} >= {"openinference", "openllmetry"}
    assert [one.key for one in told.unknown] == []
