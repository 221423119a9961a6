"""Tokens that stand in the text of an object only: of a Python dictionary, or inside of the provider's answer."""

from __future__ import annotations

import json
from typing import Any

from convention_spans import Insert, Spans, empty

from sightline_store.client import Client

_LITELLM = {
    "gen_ai.system": "anthropic",
    "llm.request.type": "completion",
    "gen_ai.request.model": "claude-haiku-4-5",
    "gen_ai.usage.input_tokens": 12080,
    "gen_ai.usage.output_tokens": 3080,
    "gen_ai.usage.total_tokens": 15160,
    "gen_ai.cost.total_cost": 0.021108,
}


def _calls(client: Client, insert: Insert, spans: Spans, table: str = "llm_calls") -> list[dict[str, Any]]:
    empty(client)
    insert(spans.request.SerializeToString())
    columns = "InputTokens" if table == "embeddings" else "InputTokens, OutputTokens, CacheReadTokens, ReasoningTokens"
    return client.query_rows(f"SELECT {columns} FROM {table} ORDER BY SpanId")


def _tokens(*numbers: int | None) -> dict[str, Any]:
    names = ("InputTokens", "OutputTokens", "CacheReadTokens", "ReasoningTokens")
    return dict(zip(names, numbers, strict=True))


def test_litellm_cached_tokens_are_read_from_the_text_of_a_dictionary(client: Client, insert: Insert) -> None:
    """`None`, `True` and `False` stand in it; the cache is inside of the input, as LiteLLM counts for each provider."""
    usage = (
        "{'completion_tokens': 3080, 'prompt_tokens': 12080, 'total_tokens': 15160, 'completion_tokens_details': "
        "{'reasoning_tokens': 80, 'text_tokens': 3000}, 'prompt_tokens_details': {'audio_tokens': None, "
        "'cache_write_tokens': 0, 'cached_tokens': 7080, 'text_tokens': 5000}, 'iterations': None, 'is_byok': False}"
    )
    spans = Spans()
    spans.add({**_LITELLM, "metadata.usage_object": usage}, scope="litellm")
    spans.add({**_LITELLM, "metadata.usage_object": ""}, scope="litellm")
    spans.add({**_LITELLM, "metadata.usage_object": "{'prompt_tokens': <Usage"}, scope="litellm")
    without = _tokens(12080, 3080, None, None)
    assert _calls(client, insert, spans) == [_tokens(12080, 3080, 7080, 80), without, without]


def _mlflow(outputs: dict[str, Any], kind: str = "CHAT_MODEL", **more: Any) -> dict[str, Any]:
    attributes = {"mlflow.spanType": json.dumps(kind), "mlflow.spanOutputs": json.dumps(outputs)}
    return {**attributes, "mlflow.llm.model": '"gpt-4o-mini-2024-07-18"', **more}


def test_mlflow_reasoning_tokens_are_read_from_the_providers_answer(client: Client, insert: Insert) -> None:
    """Its own attribute has no reasoning tokens, and is preferred for the others."""
    own = {"input_tokens": 12001, "output_tokens": 3001, "total_tokens": 15002, "cache_read_input_tokens": 7001}
    chat = {
        "completion_tokens": 3001,
        "prompt_tokens": 12001,
        "total_tokens": 15002,
        "completion_tokens_details": {"audio_tokens": 0, "reasoning_tokens": 901, "text_tokens": None},
        "prompt_tokens_details": {"cached_tokens": 7001, "image_tokens": None},
    }
    responses = {
        "input_tokens": 12002,
        "input_tokens_details": {"cache_write_tokens": None, "cached_tokens": 7002},
        "output_tokens": 3002,
        "output_tokens_details": {"reasoning_tokens": 902},
        "total_tokens": 15004,
    }
    spans = Spans()
    text = 'Say "usage": {"reasoning_tokens": 5}'
    answer = {"choices": [{"message": {"content": text}}], "usage": chat}
    spans.add(_mlflow(answer, **{"mlflow.chat.tokenUsage": json.dumps(own)}), scope="mlflow.tracing.provider")
    spans.add(_mlflow({"id": "resp_1", "output": [], "usage": responses}), scope="mlflow.tracing.provider")
    spans.add(_mlflow({"choices": [{"message": {"content": text}}], "usage": None}), scope="mlflow.tracing.provider")
    assert _calls(client, insert, spans) == [
        _tokens(12001, 3001, 7001, 901),
        _tokens(12002, 3002, 7002, 902),
        _tokens(None, None, None, None),
    ]


def test_mlflow_tokens_of_an_embedding_are_read_from_the_providers_answer(client: Client, insert: Insert) -> None:
    """There is no other attribute with them."""
    outputs = {"data": [{"embedding": [0.1]}], "object": "list", "usage": {"prompt_tokens": 512, "total_tokens": 512}}
    spans = Spans()
    spans.add(_mlflow(outputs, "EMBEDDING"), scope="mlflow.tracing.provider")
    assert _calls(client, insert, spans, "embeddings") == [{"InputTokens": 512}]


def _add_event(spans: Spans, name: str, key: str, value: dict[str, Any]) -> None:
    event = spans.request.resource_spans[0].scope_spans[-1].spans[0].events.add(name=name)
    event.attributes.add(key=key).value.string_value = json.dumps(value)


def test_mlflow_reasoning_tokens_of_a_stream_of_langchain_are_read_from_its_events(
    client: Client, insert: Insert
) -> None:
    """LangChain's last chunk counts the whole call; a provider's chunk that counts what came so far is not read."""
    usage = {
        "input_tokens": 12002,
        "output_tokens": 3002,
        "total_tokens": 15004,
        "input_token_details": {"audio": 0, "cache_read": 7002},
        "output_token_details": {"audio": 0, "reasoning": 902},
    }
    spans = Spans()
    spans.add(_mlflow({"choices": []}), scope="mlflow.tracing.provider")
    _add_event(spans, "new_token", "chunk", {"kwargs": {"message": {"kwargs": {"usage_metadata": None}}}})
    _add_event(spans, "new_token", "chunk", {"kwargs": {"message": {"kwargs": {"usage_metadata": usage}}}})
    spans.add(_mlflow({"content": []}), scope="mlflow.tracing.provider")
    _add_event(spans, "mlflow.chunk.item.0", "mlflow.chunk.value", {"usage": {"input_tokens": 9, "output_tokens": 1}})
    assert _calls(client, insert, spans) == [_tokens(12002, 3002, 7002, 902), _tokens(None, None, None, None)]
