"""Every key of a generative span that nobody reads is listed, of every convention; a key that is read is not."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from convention_spans import START_NS, Insert, Spans

from sightline_store.client import Client
from sightline_store.conventions import aliases, known_keys, report

_SAMPLES: dict[str, tuple[str, dict[str, Any], tuple[str, ...], set[str]]] = {
    # Name: scope, attributes, events, and the keys among them that nobody reads.
    "otel": (
        "opentelemetry.instrumentation.openai_v2",
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.request.temperature": 0.5,
            "gen_ai.request.thinking_budget": 100,
            "gen_ai.usage.video_tokens": 7,
            "server.address": "api.openai.com",
        },
        ("gen_ai.choice", "gen_ai.client.retry"),
        {"gen_ai.request.thinking_budget", "gen_ai.usage.video_tokens", "event gen_ai.client.retry"},
    ),
    "openinference": (
        "openinference.instrumentation.openai",
        {
            "openinference.span.kind": "LLM",
            "llm.model_name": "gpt-4o",
            "llm.input_messages.0.message.role": "user",
            "llm.input_messages.1.message.contents.0.message_content.text": "hi",
            "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "f",
            "llm.output_messages.0.message.surprise": "new",
            "llm.token_count.prompt_details.video": 3,
            "input.value": "hi",
            "input.mime_type": "text/plain",
        },
        ("First Token Stream Event",),
        {"llm.output_messages.N.message.surprise", "llm.token_count.prompt_details.video"},
    ),
    "openllmetry": (
        "opentelemetry.instrumentation.openai.v1",
        {
            "llm.request.type": "chat",
            "gen_ai.prompt.0.role": "user",
            "gen_ai.prompt.0.content": "hi",
            "gen_ai.completion.0.finish_reason": "stop",
            "gen_ai.completion.0.logprobs": "[]",
            "traceloop.association.properties.customer": "c",
            "traceloop.entity.cost": 0.5,
        },
        ("llm.content.completion.chunk",),
        {"gen_ai.completion.N.logprobs", "traceloop.entity.cost"},
    ),
    "langfuse": (
        "langfuse-sdk",
        {
            "langfuse.observation.type": "generation",
            "langfuse.observation.model.name": "gpt-4o",
            "langfuse.observation.metadata.team": "a",
            "langfuse.observation.time_to_first_token": 0.4,
        },
        (),
        {"langfuse.observation.time_to_first_token"},
    ),
    "mlflow": (
        "mlflow",
        {
            "mlflow.spanType": '"CHAT_MODEL"',
            "mlflow.spanInputs": '{"messages": []}',
            "mlflow.chat.tokenUsage": '{"input_tokens": 3}',
            "mlflow.chat.tools": "[]",
            "mlflow.llm.region": '"eu"',
            "stream": "true",
        },
        ("mlflow.chunk.item.0", "mlflow.chunk.item.1", "mlflow.chunk.first"),
        {"mlflow.llm.region", "event mlflow.chunk.first"},
    ),
    "vercel": (
        "ai",
        {
            "ai.operationId": "ai.streamText.doStream",
            "ai.model.id": "gpt-4o",
            "ai.settings.maxRetries": 2,
            "ai.settings.gateway": "g",
            "ai.response.finishReason": "stop",
            "ai.response.warnings": "[]",
        },
        ("ai.stream.firstChunk",),
        {"ai.settings.gateway", "ai.response.warnings"},
    ),
    "of no known convention": (
        "nextlib",
        {"gen_ai.operation.name": "chat", "nextlib.tokens.in": 5, "nextlib.tokens.7.out": 5},
        (),
        {"nextlib.tokens.in", "nextlib.tokens.N.out"},
    ),
    "no generative span": ("http", {"http.route": "/", "shop.basket": 3}, ("shop.paid",), set()),
}

_CHOSEN_BY_OTHERS = known_keys.APPLICATION_PREFIXES + known_keys.GENERAL_PREFIXES

_INVENTED = [
    f"{prefix}invented_by_a_test"
    for prefix in sorted(
        {
            key[: place + 1]
            for key in aliases.spelling_ids()
            for place, letter in enumerate(key)
            if letter == "." and not key[: place + 1].startswith(_CHOSEN_BY_OTHERS)
        }
        | {
            "llm.input_messages.0.message.",
            "llm.output_messages.0.",
            "llm.prompts.0.",
            "llm.tools.0.",
            "llm.cost.",
            "llm.prompt_template.",
            "llm.token_count.",
            "retrieval.documents.0.document.",
            "embedding.embeddings.0.embedding.",
            "reranker.input_documents.0.document.",
            "reranker.",
            "evaluations.0.evaluation.",
            "annotations.0.annotation.",
            "gen_ai.prompt.0.",
            "gen_ai.completion.0.",
            "gen_ai.request.",
            "gen_ai.tool.",
            "gen_ai.agent.",
            "gen_ai.evaluation.",
            "gen_ai.openai.",
            "traceloop.entity.",
            "langfuse.observation.",
            "langfuse.trace.",
            "ai.telemetry.",
            "ai.settings.",
            "ai.prompt.",
            "ai.response.",
            "ai.toolCall.",
            "mlflow.chat.",
            "mlflow.",
            "input.",
            "output.",
            "sightline.",
            "db.vector.query.",
        }
    )
]


def _unread(client: Client, max_spans: int = 20_000) -> dict[str, report.UnknownKey]:
    start = datetime.fromtimestamp(START_NS / 1e9, UTC) - timedelta(seconds=1)
    found = report.unread_keys(client, start, start + timedelta(hours=1), limit=1000, max_spans=max_spans)
    return {unknown.key: unknown for unknown in found}


def test_each_conventions_unread_keys_are_listed(client: Client, insert: Insert) -> None:
    """Exactly those that no column, content or event is read from, with their writer and a value."""
    spans = Spans()
    for scope, attributes, events, _ in _SAMPLES.values():
        spans.add(attributes, scope=scope, events=dict.fromkeys(events, 5.0))
    spans.rows(client, insert, "SELECT 1")
    unread = _unread(client)
    assert set(unread) == set().union(*(unknown for _, _, _, unknown in _SAMPLES.values()))
    assert unread["mlflow.llm.region"] == report.UnknownKey("mlflow.llm.region", 1, ("mlflow",), '"eu"')
    assert unread["event mlflow.chunk.first"].example == ""
    assert len(_unread(client, max_spans=1)) < len(unread)


def test_only_generative_spans_count_towards_the_most_that_are_looked_at(client: Client, insert: Insert) -> None:
    """However many others come before them."""
    spans = Spans()
    for number in range(50):
        spans.add({"http.route": "/"}, after_ms=number)
    spans.add({"gen_ai.operation.name": "chat", "gen_ai.invented": "x"}, after_ms=60)
    spans.rows(client, insert, "SELECT 1")
    assert set(_unread(client, max_spans=1)) == {"gen_ai.invented"}


def test_an_invented_key_is_listed_whatever_it_begins_with(client: Client, insert: Insert) -> None:
    """Under the namespace of every key that is read."""
    spans = Spans()
    for key in _INVENTED:
        spans.add({"gen_ai.operation.name": "chat", key: "x"})
    spans.rows(client, insert, "SELECT 1")
    assert len(_INVENTED) > 100
    assert set(_unread(client)) == {re.sub(r"\.[0-9]+\b", ".N", key) for key in _INVENTED}


def test_the_value_of_an_attribute_is_no_key() -> None:
    """Such as the names of stages, which are constants beside those of keys."""
    assert not [name for name in ("prompt", "request", "search", "error", "completed") if known_keys.is_known(name)]
    assert known_keys.is_known("sightline.sampling.weight")


def test_no_key_has_two_reasons_and_none_that_is_read_has_one() -> None:
    """The list of keys that are not shown says one thing of a key, and nothing of those that are read."""
    listed = [key for keys in known_keys.NOT_SHOWN.values() for key in keys]
    assert len(listed) == len(set(listed))
    assert not set(listed) & set(aliases.spelling_ids())
