"""One call, one request, one span: whatever the order and the INSERTs in which the spans of a trace come."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from convention_spans import START_NS, Insert, Spans, empty

from sightline_store import settle
from sightline_store.client import Client

_EVER = datetime(2020, 1, 1, tzinfo=UTC)


def chat(model: str = "gpt-4o", tokens: tuple[int, int] | None = (1000, 100), **more: Any) -> dict[str, Any]:
    """The attributes of a model call."""
    usage = {"gen_ai.usage.input_tokens": tokens[0], "gen_ai.usage.output_tokens": tokens[1]} if tokens else {}
    provider = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai"}
    return {**provider, **({"gen_ai.request.model": model} if model else {}), **usage, **more}


@dataclass(frozen=True)
class Case:
    """Spans of traces, and the ids that have to stay.

    Attributes:
        about: what happened.
        write: adds the spans and returns the ids of the calls and of the requests that there were.
    """

    about: str
    write: Callable[[Spans], tuple[set[int], set[int]]]


def _inside(spans: Spans) -> tuple[set[int], set[int]]:
    outer = spans.add(chat("gpt-4o", (1000, 100)), scope="sightline", trace=1, ms=3000)
    inner = spans.add(chat("gpt-4o-mini", (50, 5)), scope="sightline", trace=1, parent=outer, ms=300, after_ms=10)
    return {outer, inner}, {outer}


def _tool_asks_another(spans: Spans) -> tuple[set[int], set[int]]:
    outer = spans.add(chat("gpt-4o", (900, 90)), scope="langchain", trace=1, ms=4000)
    tool = spans.add(
        {"gen_ai.operation.name": "execute_tool"}, scope="langchain", trace=1, parent=outer, after_ms=1000, ms=2000
    )
    inner = spans.add(chat("claude-3-5-haiku", (70, 7)), scope="langchain", trace=1, parent=tool, after_ms=1100, ms=900)
    return {outer, inner}, {outer}


def _wrapper(spans: Spans) -> tuple[set[int], set[int]]:
    outer = spans.add(chat("gpt-4o", None), scope="framework", trace=1, ms=4000)
    calls = [
        spans.add(
            chat("gpt-4o-2024-08-06", (100 * n, 10)), scope="openai", trace=1, parent=outer, after_ms=after, ms=1500
        )
        for n, after in ((1, 20), (2, 1700))
    ]
    return set(calls), {outer}


def _three_levels(spans: Spans) -> tuple[set[int], set[int]]:
    chain = spans.add({"openinference.span.kind": "CHAIN"}, scope="langchain", trace=1, ms=5000)
    first = spans.add(chat("gpt-4o"), scope="langchain", trace=1, parent=chain, ms=3000, after_ms=5)
    second = spans.add(chat("openai/gpt-4o"), scope="litellm", trace=1, parent=first, ms=2900, after_ms=30)
    http = spans.add({"http.request.method": "POST"}, scope="httpx", trace=1, parent=second, ms=2800, after_ms=60)
    third = spans.add(chat("gpt-4o-2024-08-06"), scope="openai", trace=1, parent=http, ms=2700, after_ms=90)
    return {third}, {chain}


def _parallel(spans: Spans) -> tuple[set[int], set[int]]:
    root = spans.add({"openinference.span.kind": "CHAIN"}, scope="langchain", trace=1, ms=5000)
    calls = set()
    for after in (10, 12):
        outer = spans.add(chat(), scope="langchain", trace=1, parent=root, ms=2000, after_ms=after)
        calls.add(spans.add(chat(), scope="openai", trace=1, parent=outer, ms=1900, after_ms=after + 5))
    return calls, {root}


def _siblings(spans: Spans) -> tuple[set[int], set[int]]:
    root = spans.add({"openinference.span.kind": "CHAIN"}, scope="langchain", trace=1, ms=5000)
    spans.add(chat("gpt-4o", None), scope="langchain", trace=1, parent=root, ms=2000, after_ms=10)
    inner = spans.add(chat(), scope="openai", trace=1, parent=root, ms=1900, after_ms=20)
    return {inner}, {root}


def _without_cache(spans: Spans) -> tuple[set[int], set[int]]:
    root = spans.add({"openinference.span.kind": "CHAIN"}, scope="langchain", trace=1, ms=5000)
    spans.add(chat("claude-sonnet-4", (100, 50)), scope="langchain", trace=1, parent=root, ms=2000, after_ms=10)
    cached = {"gen_ai.usage.cache_read.input_tokens": 900}
    inner = spans.add(
        chat("claude-sonnet-4", (1000, 50), **cached), scope="anthropic", trace=1, parent=root, ms=1900, after_ms=20
    )
    return {inner}, {root}


def _proxy(spans: Spans) -> tuple[set[int], set[int]]:
    root = spans.add({"http.route": "/ask"}, server=True, trace=1, ms=5000)
    own = spans.add(chat(), scope="openai", trace=1, parent=root, ms=3000, after_ms=10)
    door = spans.add(
        {"http.route": "/v1/chat"}, server=True, service="proxy", trace=1, parent=own, ms=2800, after_ms=-30
    )
    told = spans.add(
        chat("gpt-4o-2024-08-06"), scope="openai", service="proxy", trace=1, parent=door, ms=2700, after_ms=40
    )
    return {told}, {root}


def _streamed(spans: Spans) -> tuple[set[int], set[int]]:
    root = spans.add({"openinference.span.kind": "CHAIN"}, scope="llama_index", trace=1, ms=5000)
    spans.add(chat("gpt-4o", None), scope="llama_index", trace=1, parent=root, ms=30, after_ms=100)
    told = spans.add(chat(), scope="openai", trace=1, parent=root, ms=2500, after_ms=105)
    return {told}, {root}


def _retries(spans: Spans) -> tuple[set[int], set[int]]:
    outer = spans.add(chat(), scope="langchain", trace=1, ms=3000)
    spans.add(chat("gpt-4o", None), scope="openai", trace=1, parent=outer, ms=200, after_ms=10)
    spans.add(chat("gpt-4o", None), scope="openai", trace=1, parent=outer, ms=2500, after_ms=400)
    return {outer}, {outer}


def _one_after_another(spans: Spans) -> tuple[set[int], set[int]]:
    root = spans.add({"openinference.span.kind": "AGENT"}, scope="langchain", trace=1, ms=9000)
    calls = {
        spans.add(chat(), scope=scope, trace=1, parent=root, ms=1000, after_ms=after)
        for scope, after in (("langchain", 10), ("openai", 1100), ("langchain", 2200))
    }
    return calls, {root}


def _nested_embeddings(spans: Spans) -> tuple[set[int], set[int]]:
    root = spans.add({"openinference.span.kind": "CHAIN"}, scope="llama_index", trace=1, ms=5000)
    parent = root
    for scope in ("llama_index", "llama_index", "openai"):
        parent = spans.add(
            {"openinference.span.kind": "EMBEDDING"}, scope=scope, trace=1, parent=parent, ms=100, after_ms=10
        )
    return set(), {root}


def _below_a_gateway(spans: Spans) -> tuple[set[int], set[int]]:
    top = spans.add({"http.route": "/ask"}, server=True, trace=1, parent=900, ms=3000)
    call = spans.add(chat(), scope="openai", trace=1, parent=top, ms=2000, after_ms=10)
    return {call}, {top}


def _below_a_gateway_without_a_server_span(spans: Spans) -> tuple[set[int], set[int]]:
    top = spans.add({"openinference.span.kind": "CHAIN"}, scope="langchain", trace=1, parent=900, ms=3000)
    call = spans.add(chat(), scope="openai", trace=1, parent=top, ms=2000, after_ms=10)
    return {call}, {top}


def _two_services(spans: Spans) -> tuple[set[int], set[int]]:
    front = spans.add({"http.route": "/"}, server=True, service="front", trace=1, ms=4000)
    back = spans.add({"http.route": "/ask"}, server=True, service="back", trace=1, parent=901, ms=3000, after_ms=100)
    call = spans.add(chat(), scope="openai", service="back", trace=1, parent=back, ms=2000, after_ms=200)
    return {call}, {front}


def _marked(spans: Spans) -> tuple[set[int], set[int]]:
    root = spans.add({"http.route": "/ask"}, server=True, trace=1, ms=4000)
    marked = spans.add({"sightline.stage": "request"}, scope="sightline", trace=1, parent=root, ms=3900, after_ms=10)
    inner = spans.add({"sightline.stage": "request"}, scope="sightline", trace=1, parent=marked, ms=3000, after_ms=100)
    call = spans.add(chat(), scope="openai", trace=1, parent=inner, ms=2000, after_ms=200)
    return {call}, {marked}


def _two_tops_of_a_service(spans: Spans) -> tuple[set[int], set[int]]:
    tops = {
        spans.add({"http.route": "/turn"}, server=True, trace=1, parent=902, ms=900, after_ms=after)
        for after in (0, 1000)
    }
    return set(), tops


def _background(spans: Spans) -> tuple[set[int], set[int]]:
    spans.add({"openinference.span.kind": "CHAIN"}, name="SentenceSplitter._parse_nodes", scope="llama_index", trace=1)
    spans.add({"openinference.span.kind": "EMBEDDING"}, name="CreateEmbeddings", scope="llama_index", trace=2)
    spans.add({"gen_ai.operation.name": "create_agent"}, name="create_agent x", scope="agents", trace=3)
    spans.add(
        {"gen_ai.operation.name": "embeddings", "gen_ai.server.time_to_first_token": 0.1}, scope="openlit", trace=4
    )
    return set(), set()


_CASES = [
    Case("a call inside another call of the same instrumentation", _inside),
    Case("a tool inside a call asks another model", _tool_asks_another),
    Case("a wrapper without tokens around two calls", _wrapper),
    Case("three levels of one call, with HTTP between", _three_levels),
    Case("two parallel calls with equal tokens, each by two instrumentations", _parallel),
    Case("two instrumentations beside each other, one without tokens", _siblings),
    Case("one instrumentation does not know the cache", _without_cache),
    Case("a proxy in front of the model, whose clock is behind", _proxy),
    Case("a stream whose outer span ends at once", _streamed),
    Case("a retry inside a call that knows the tokens", _retries),
    Case("equal calls one after another, by two instrumentations", _one_after_another),
    Case("three nested spans of one embedding", _nested_embeddings),
    Case("a server below a gateway that exports nothing", _below_a_gateway),
    Case("a chain below a gateway that exports nothing", _below_a_gateway_without_a_server_span),
    Case("two services", _two_services),
    Case("a marked span inside a root, and one inside of that", _marked),
    Case("two tops of one service", _two_tops_of_a_service),
    Case("work that answers nobody", _background),
]


def _ids(client: Client, table: str) -> list[int]:
    return sorted(
        row["id"] for row in client.query_rows(f"SELECT reinterpretAsUInt64(reverse(unhex(SpanId))) AS id FROM {table}")
    )


def _settle(client: Client) -> settle.Settled:
    return settle.settle(client, _EVER, quiet=timedelta(0))


class _CaseSpans(Spans):
    """Spans of several cases in one request: the traces of each are its own, and so is its time."""

    case = 0

    def add(self, attributes: dict[str, Any], **how: Any) -> int:
        """A span of the case that is being written."""
        parent = how.pop("parent", 0)
        how["trace"] = self.case * 100 + how.get("trace", 0)
        after_ms = self.case * 60_000 + how.pop("after_ms", 0)
        return super().add(attributes, parent=parent, after_ms=after_ms, **how)


def _written(cases: list[Case]) -> tuple[_CaseSpans, dict[str, tuple[set[int], set[int]]], list[list[int]]]:
    """The spans of all cases, what has to stay of each, and the ids of the spans of each in the order of writing."""
    spans, expected, ids = _CaseSpans(), {}, []
    for number, case in enumerate(cases, 1):
        spans.case, first = number, spans.count
        expected[case.about] = case.write(spans)
        ids.append(list(range(first + 1, spans.count + 1)))
    return spans, expected, ids


@pytest.mark.parametrize("order", ["together", "in order", "backwards", "each twice"])
def test_calls_and_requests_are_there_once(client: Client, insert: Insert, order: str) -> None:
    """The same calls and requests stay, in whatever INSERTs the spans come."""
    spans, expected, ids = _written(_CASES)
    rounds = [[case[place] for case in ids if place < len(case)] for place in range(max(map(len, ids)))]
    inserts = {
        "together": [list(itertools.chain(*ids))],
        "in order": rounds,
        "backwards": rounds[::-1],
        "each twice": [rounds[0], *itertools.chain(*itertools.pairwise(rounds)), rounds[-1]],
    }[order]
    empty(client)
    for part in inserts:
        insert(spans.some(part))
    _settle(client)
    for table, place in (("llm_calls", 0), ("requests", 1)):
        stored = _ids(client, table)
        found = {case.about: sorted(id_ for id_ in stored if id_ in own) for case, own in zip(_CASES, ids, strict=True)}
        assert found == {about: sorted(stay[place]) for about, stay in expected.items()}
    # Three nested spans of one embedding, and a root of OpenLIT and one of LlamaIndex.
    assert client.query_rows("SELECT count() AS n FROM embeddings") == [{"n": 3}]
    assert not _settle(client)


def test_what_one_span_knows_of_tenant_user_and_session_holds_for_the_trace(client: Client, insert: Insert) -> None:
    """Langfuse writes them on the root only, which ends last; calls, searches and stages of the trace are theirs."""
    spans = Spans()
    who = {"session.id": "s1", "user.id": "u1", "tenant.id": "t1"}
    root = spans.add({"openinference.span.kind": "CHAIN", **who}, trace=1, ms=5000)
    children = [
        spans.add(chat(), scope="openai", trace=1, parent=root, ms=500, after_ms=10),
        spans.add({"openinference.span.kind": "RETRIEVER"}, scope="x", trace=1, parent=root, after_ms=10),
        spans.add({"openinference.span.kind": "EMBEDDING"}, scope="x", trace=1, parent=root, after_ms=10),
    ]
    own = spans.add({**chat("gpt-4o-mini"), "session.id": "s2"}, scope="openai", trace=1, parent=root, after_ms=900)
    other = spans.add(chat(), scope="openai", trace=2)
    empty(client)
    insert(spans.some([*children, own, other]))
    _settle(client)
    insert(spans.some([root]))
    assert _settle(client).changed == {"requests": 1, "llm_calls": 2, "retrievals": 1, "embeddings": 1, "stages": 4}
    rows = client.query_rows(
        "SELECT reinterpretAsUInt64(reverse(unhex(SpanId))) AS id, toString(Tenant) AS tenant, UserId, SessionId "
        "FROM llm_calls ORDER BY id"
    )
    assert [tuple(row.values()) for row in rows] == [
        (children[0], "t1", "u1", "s1"),
        (own, "t1", "u1", "s2"),
        (other, "", "", ""),
    ]
    assert client.query_rows("SELECT toString(Tenant) AS t, UserId, SessionId FROM embeddings") == [
        {"t": "t1", "UserId": "u1", "SessionId": "s1"}
    ]
    assert client.query_rows("SELECT toString(Tenant) AS t FROM retrievals") == [{"t": "t1"}]
    assert not _settle(client)


def test_a_stream_that_logfire_tells_by_a_span_and_a_log_is_one_call(client: Client, insert: Insert) -> None:
    """The span of 3 ms has no tokens; the log of its end has them, and the duration. The request is the span."""
    data = '{"model":"gpt-4o"}'
    told = {"request_data": data, "gen_ai.request.model": "gpt-4o", "gen_ai.operation.name": "chat"}
    spans = Spans()
    span = spans.add(
        {**told, "gen_ai.response.model": "gpt-4o", "logfire.span_type": "span"}, scope="logfire.openai", trace=1, ms=3
    )
    spans.add({**told, "logfire.span_type": "pending_span"}, scope="logfire.openai", trace=1, parent=span, ms=0)
    usage = {"gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 10, "gen_ai.response.model": "gpt-4o"}
    log = spans.add(
        {**told, **usage, "logfire.span_type": "log", "duration": 1.2},
        scope="logfire.openai", trace=2, ms=0, after_ms=1250,
    )  # fmt: skip
    empty(client)
    insert(spans.some([span, span + 1, log]))
    _settle(client)
    (call,) = client.query_rows(
        "SELECT SpanId, InputTokens, DurationMs, toUnixTimestamp64Milli(Timestamp) AS at FROM llm_calls"
    )
    assert (int(call["SpanId"], 16), call["InputTokens"], call["DurationMs"]) == (log, 100, 1200)
    assert call["at"] - START_NS // 10**6 == 50
    assert _ids(client, "requests") == [span]
