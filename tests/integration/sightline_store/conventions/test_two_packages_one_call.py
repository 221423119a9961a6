"""One call that two packages record: the row that stays has what the packages know between them where it can."""

from __future__ import annotations

from typing import Any

from convention_spans import Insert, Spans, empty

from sightline_store.client import Client


def test_the_span_with_a_time_to_first_token_stays(client: Client, insert: Insert) -> None:
    """Pydantic AI's span around a stream has one, Logfire's of the client below has none; their tokens are equal."""
    chat: dict[str, Any] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.system": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.usage.input_tokens": 12003,
        "gen_ai.usage.output_tokens": 3003,
    }
    spans = Spans()
    root = spans.add({"gen_ai.operation.name": "invoke_agent"}, scope="pydantic-ai", trace=1, ms=400)
    outer = spans.add(
        {**chat, "gen_ai.response.time_to_first_chunk": 0.104}, scope="pydantic-ai", trace=1, parent=root, ms=330
    )
    spans.add({**chat, "request_data": "{}"}, scope="logfire.openai", trace=1, parent=outer, after_ms=5, ms=300)
    empty(client)
    insert(spans.request.SerializeToString())
    assert client.query_rows("SELECT SpanId, TtftMs FROM llm_calls") == [
        {"SpanId": outer.to_bytes(8, "big").hex(), "TtftMs": 104.0}
    ]


def test_an_embedding_whose_spans_are_siblings_counts_once(client: Client, insert: Insert) -> None:
    """LiteLLM makes its span afterwards, beside that of the client, and names no provider."""
    spans = Spans()
    request = spans.add({"http.route": "/ask"}, scope="application", trace=1, ms=100, server=True)
    spans.add(
        {
            "gen_ai.operation.name": "embeddings",
            "gen_ai.request.model": "openai/text-embedding-3-small",
            "gen_ai.usage.input_tokens": 506,
        },
        scope="litellm",
        trace=1,
        parent=request,
        after_ms=1,
        ms=80,
    )
    inner = spans.add(
        {
            "openinference.span.kind": "EMBEDDING",
            "llm.system": "openai",
            "embedding.model_name": "text-embedding-3-small",
            "llm.token_count.prompt": 506,
        },
        scope="openinference.instrumentation.openai",
        trace=1,
        parent=request,
        after_ms=12,
        ms=60,
    )
    empty(client)
    insert(spans.request.SerializeToString())
    assert client.query_rows("SELECT SpanId, Provider, InputTokens FROM embeddings") == [
        {"SpanId": inner.to_bytes(8, "big").hex(), "Provider": "openai", "InputTokens": 506}
    ]
