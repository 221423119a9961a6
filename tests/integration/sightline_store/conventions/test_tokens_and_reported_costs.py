"""Tokens and reported costs in every shape of usage: which tokens include which, and by which rule."""

from __future__ import annotations

import json
from typing import Any

import pytest
from convention_spans import Insert, Spans

from sightline_store.client import Client
from sightline_store.prices import model_prices


def langfuse(usage: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A generation of Langfuse's SDK."""
    return {
        "langfuse.observation.type": "generation",
        "langfuse.observation.usage_details": json.dumps(usage),
        **more,
    }


def langsmith(usage: dict[str, Any]) -> dict[str, Any]:
    """A run of LangSmith, whose usage is LangChain's."""
    return {"langsmith.span.kind": "llm", "langsmith.usage_metadata": json.dumps(usage)}


def vercel(provider: str, **numbers: int) -> dict[str, Any]:
    """A call of the Vercel AI SDK."""
    usage = {f"ai.usage.{name.replace('_', '.')}": number for name, number in numbers.items()}
    return {"ai.operationId": "ai.generateText.doGenerate", "ai.model.provider": provider, **usage}


def openlit(provider: str, **numbers: int) -> dict[str, Any]:
    """A call of OpenLIT, which passes numbers on as they came."""
    usage = {f"gen_ai.usage.{name}": number for name, number in numbers.items()}
    return {"gen_ai.operation.name": "chat", "gen_ai.provider.name": provider, "gen_ai.usage.cost": 0.1, **usage}


def otel(**numbers: int) -> dict[str, Any]:
    """A call by the semantic conventions."""
    usage = {f"gen_ai.usage.{name.replace('__', '.')}": number for name, number in numbers.items()}
    return {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", **usage}


# Attributes, then input, output, cached (read), cached (written), reasoning, spoken input, spoken output, rule.
USAGES: dict[str, tuple[dict[str, Any], tuple[Any, ...]]] = {
    "langfuse: the total proves that the cache is inside": (
        langfuse({"input": 17903, "output": 100, "total": 18003, "input_cached_tokens": 17817}),
        (17903, 100, 17817, None, None, None, None, "total"),
    ),
    "langfuse: the total proves that the cache is beside": (
        langfuse({"input": 86, "output": 100, "total": 18003, "input_cached_tokens": 17817}),
        (17903, 100, 17817, None, None, None, None, "total"),
    ),
    "langfuse: nothing proves it": (
        langfuse({"input": 900, "output": 100, "input_cached_tokens": 800}),
        (1700, 100, 800, None, None, None, None, "convention"),
    ),
    "langfuse: more cache than input": (
        langfuse({"input": 86, "output": 100, "input_cached_tokens": 800}),
        (886, 100, 800, None, None, None, None, "larger"),
    ),
    "langfuse's LangChain handler: reasoning beside output": (
        langfuse({"input": 176, "output": 100, "output_reasoning": 2000}),
        (176, 2100, None, None, 2000, None, None, "larger"),
    ),
    "langfuse's LangChain handler, with a total": (
        langfuse({"input": 176, "output": 100, "total": 2276, "output_reasoning": 2000}),
        (176, 2100, None, None, 2000, None, None, "total"),
    ),
    "langfuse's LangChain handler: all parts": (
        langfuse(
            {
                "input": 100,
                "output": 50,
                "total": 680,
                "input_cache_read": 200,
                "input_cache_creation": 100,
                "input_audio": 70,
                "output_reasoning": 120,
                "output_audio": 40,
            }
        ),
        (470, 210, 200, 100, 120, 70, 40, "total"),
    ),
    "langfuse: cache inside, reasoning beside": (
        langfuse(
            {"input": 500, "output": 50, "total": 850, "input_cached_tokens": 400, "output_reasoning_tokens": 300}
        ),
        (500, 350, 400, None, 300, None, None, "total"),
    ),
    "langfuse: OpenAI's chat form": (
        langfuse(
            {
                "prompt_tokens": 1200,
                "completion_tokens": 60,
                "prompt_tokens_details": {"cached_tokens": 1024},
                "completion_tokens_details": {"reasoning_tokens": 20},
            }
        ),
        (1200, 60, 1024, None, 20, None, None, "convention"),
    ),
    "langfuse: OpenAI's chat form with audio and a total": (
        langfuse(
            {
                "prompt_tokens": 1200,
                "completion_tokens": 160,
                "total_tokens": 1360,
                "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 300},
                "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 90},
            }
        ),
        (1200, 160, 0, None, 0, 300, 90, "total"),
    ),
    "langfuse: the Responses form": (
        langfuse(
            {
                "input_tokens": 1200,
                "output_tokens": 60,
                "total_tokens": 1260,
                "input_tokens_details": {"cached_tokens": 1024},
                "output_tokens_details": {"reasoning_tokens": 20},
            }
        ),
        (1200, 60, 1024, None, 20, None, None, "total"),
    ),
    "langfuse: Anthropic's form": (
        langfuse(
            {
                "input_tokens": 1000,
                "output_tokens": 50,
                "cache_read_input_tokens": 900,
                "cache_creation_input_tokens": 40,
                "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 30},
            }
        ),
        (1940, 50, 900, 40, None, None, None, "convention"),
    ),
    "langfuse: Bedrock's form": (
        langfuse({"inputTokens": 100, "outputTokens": 50, "totalTokens": 1050, "cacheReadInputTokens": 900}),
        (1000, 50, 900, None, None, None, None, "total"),
    ),
    "langsmith: Bedrock's form without a total": (
        langsmith({"inputTokens": 1000, "outputTokens": 50, "cacheReadInputTokens": 400, "cacheWriteInputTokens": 100}),
        (1500, 50, 400, 100, None, None, None, "convention"),
    ),
    "langfuse: Gemini's form": (
        langfuse(
            {
                "promptTokenCount": 1000,
                "candidatesTokenCount": 50,
                "thoughtsTokenCount": 300,
                "cachedContentTokenCount": 400,
                "totalTokenCount": 1350,
                "promptTokensDetails": [
                    {"modality": "TEXT", "tokenCount": 800},
                    {"modality": "AUDIO", "tokenCount": 200},
                ],
            }
        ),
        (1000, 350, 400, None, 300, 200, None, "total"),
    ),
    "langsmith: Gemini's form without a total": (
        langsmith({"prompt_token_count": 1000, "candidates_token_count": 500, "thoughts_token_count": 300}),
        (1000, 800, None, None, 300, None, None, "convention"),
    ),
    "langsmith: LangChain's form": (
        langsmith(
            {
                "input_tokens": 1000,
                "output_tokens": 400,
                "total_tokens": 1400,
                "input_token_details": {"cache_read": 600, "cache_creation": 100, "audio": 20},
                "output_token_details": {"reasoning": 256, "audio": 10},
            }
        ),
        (1000, 400, 600, 100, 256, 20, 10, "total"),
    ),
    "mlflow": (
        {
            "mlflow.spanType": '"CHAT_MODEL"',
            "mlflow.chat.tokenUsage": json.dumps(
                {"input_tokens": 1000, "output_tokens": 50, "total_tokens": 1050, "cache_read_input_tokens": 900}
            ),
        },
        (1000, 50, 900, None, None, None, None, "total"),
    ),
    "mlflow without parts": (
        {"mlflow.spanType": '"CHAT_MODEL"', "mlflow.chat.tokenUsage": '{"input_tokens": 100, "output_tokens": 50}'},
        (100, 50, None, None, None, None, None, ""),
    ),
    "braintrust": (
        {
            "braintrust.span_attributes": '{"type": "llm"}',
            "gen_ai.operation.name": "chat",
            "braintrust.metrics": json.dumps(
                {"prompt_tokens": 500, "completion_tokens": 90, "tokens": 590, "completion_reasoning_tokens": 64}
            ),
        },
        (500, 90, None, None, 64, None, None, "total"),
    ),
    "a member without a value does not hide the next": (
        langsmith(
            {"input_tokens": 9, "output_tokens": 2, "cached_tokens": None, "input_token_details": {"cache_read": 4}}
        ),
        (9, 2, 4, None, None, None, None, "convention"),
    ),
    "the semantic conventions": (
        otel(input_tokens=1000, output_tokens=50, cache_read__input_tokens=900),
        (1000, 50, 900, None, None, None, None, "convention"),
    ),
    "the semantic conventions, broken: more cache than input": (
        otel(input_tokens=100, output_tokens=50, cache_read__input_tokens=900),
        (1000, 50, 900, None, None, None, None, "larger"),
    ),
    "a total beside the semantic conventions": (
        otel(input_tokens=100, output_tokens=50, cache_read__input_tokens=80, total_tokens=230),
        (180, 50, 80, None, None, None, None, "total"),
    ),
    "a total that two answers make": (
        otel(input_tokens=100, output_tokens=50, cached_input_tokens=30, reasoning_tokens=30, total_tokens=180),
        (100, 50, 30, None, 30, None, None, "convention"),
    ),
    "openinference, reasoning beside output": (
        {
            "openinference.span.kind": "LLM",
            "llm.token_count.prompt": 100,
            "llm.token_count.completion": 50,
            "llm.token_count.completion_details.reasoning": 40,
            "llm.token_count.total": 190,
        },
        (100, 90, None, None, 40, None, None, "total"),
    ),
    "openlit passes Anthropic's numbers on; its own total proves nothing": (
        openlit("anthropic", input_tokens=1000, output_tokens=50, cache_read_input_tokens=900, total_tokens=1050),
        (1900, 50, 900, None, None, None, None, "convention"),
    ),
    "openlit with OpenAI": (
        openlit("openai", input_tokens=1000, output_tokens=50, cache_read_input_tokens=900, total_tokens=1050),
        (1000, 50, 900, None, None, None, None, "total"),
    ),
    "vercel with Gemini: thoughts are beside the answer": (
        vercel("google.generative-ai", inputTokens=100, outputTokens=50, reasoningTokens=300, totalTokens=450),
        (100, 350, None, None, 300, None, None, "total"),
    ),
    "vercel since it counts parts inside the whole": (
        vercel(
            "anthropic.messages",
            inputTokens=1000,
            outputTokens=50,
            inputTokenDetails_cacheReadTokens=900,
            totalTokens=1050,
        ),
        (1000, 50, 900, None, None, None, None, "total"),
    ),
    "vercel, cached tokens in the provider's metadata only": (
        {
            **vercel("openai.chat", promptTokens=1200, completionTokens=60),
            "ai.response.providerMetadata": '{"openai": {"reasoningTokens": 20, "cachedPromptTokens": 1024}}',
        },
        (1200, 60, 1024, None, 20, None, None, "convention"),
    ),
}


def test_what_is_inside_what_is_decided_by_proof_or_by_rule(client: Client, insert: Insert) -> None:
    """Each shape of usage gives the tokens that were billed, and says what decided."""
    spans = Spans()
    for attributes, _ in USAGES.values():
        spans.add(attributes, scope="langfuse-sdk" if "langfuse.observation.type" in attributes else "")
    rows = spans.rows(
        client,
        insert,
        "SELECT InputTokens, OutputTokens, CacheReadTokens, CacheWriteTokens, ReasoningTokens, InputAudioTokens, "
        "OutputAudioTokens, TokenRule FROM llm_calls ORDER BY SpanId",
    )
    stored = dict(zip(USAGES, (tuple(row.values()) for row in rows), strict=True))
    assert stored == {name: expected for name, (_, expected) in USAGES.items()}


def test_cache_written_for_an_hour_is_read_from_nested_members(client: Client, insert: Insert) -> None:
    """Anthropic's object of cache writes by their life, and MLflow's member."""
    spans = Spans()
    spans.add(USAGES["langfuse: Anthropic's form"][0], scope="langfuse-sdk")
    usage = {"input_tokens": 90, "output_tokens": 1, "cache_creation_input_tokens": 50}
    usage["cache_creation_input_tokens_above_1hr"] = 20
    spans.add({"mlflow.spanType": '"LLM"', "mlflow.chat.tokenUsage": json.dumps(usage)})
    rows = spans.rows(client, insert, "SELECT CacheWrite1hTokens AS n FROM llm_calls ORDER BY SpanId")
    assert [row["n"] for row in rows] == [30, 20]


CHAT = {"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 5}


COSTS: list[tuple[dict[str, Any], float | None]] = [
    ({"gen_ai.usage.cost": 0.25}, 0.25),
    ({"gen_ai.cost.total_cost": 0.0001392}, 0.0001392),
    ({"gen_ai.cost.total_tokens": 1500}, None),
    ({"llm.cost.total": 0.25}, 0.25),
    ({"operation.cost": 0.25}, 0.25),
    ({"gen_ai.usage.cost": "0.25"}, 0.25),
    ({"gen_ai.usage.cost": -1.0}, None),
    ({"langfuse.observation.cost_details": '{"input": 0.2, "output": 0.05, "total": 0.25}'}, 0.25),
    ({"langfuse.observation.cost_details": '{"input": 0.2, "input_cached_tokens": 0.02, "output": 0.03}'}, 0.25),
    ({"langfuse.observation.cost_details": "{}"}, None),
    ({"langfuse.observation.usage_details": '{"prompt_tokens": 10, "cost": 0.25}'}, 0.25),
    ({"langsmith.usage_metadata": '{"input_tokens": 10, "total_cost": 0.25}'}, 0.25),
    ({"mlflow.llm.cost": '{"input_cost": 0.2, "output_cost": 0.05, "total_cost": 0.25}'}, 0.25),
    ({"ai.response.providerMetadata": '{"gateway": {"cost": "0.25"}}'}, 0.25),
    ({"braintrust.metrics": '{"estimated_cost": 0.25}'}, 0.25),
    ({}, None),
]


def test_reported_costs_are_kept_under_every_spelling(client: Client, insert: Insert) -> None:
    """What the library or the gateway says that the call cost, as a number or as an object of parts."""
    spans = Spans()
    for attributes, _ in COSTS:
        spans.add({**CHAT, **attributes})
    rows = spans.rows(client, insert, "SELECT ToldCostUsd FROM llm_calls ORDER BY SpanId")
    stored = [row["ToldCostUsd"] for row in rows]
    assert stored == [None if cost is None else pytest.approx(cost) for _, cost in COSTS]


def test_models_and_providers_of_mlflow_stand_without_quotes(client: Client, insert: Insert) -> None:
    """MLflow writes every value as JSON, texts in quotes."""
    spans = Spans()
    usage = '{"input_tokens": 10, "output_tokens": 5}'
    model = {"mlflow.spanType": '"LLM"', "mlflow.llm.model": '"gpt-4o-mini"', "mlflow.llm.provider": '"openai"'}
    spans.add({**model, "mlflow.chat.tokenUsage": usage})
    rows = spans.rows(client, insert, "SELECT Provider, RequestModel, PriceKey FROM llm_calls")
    assert rows == [{"Provider": "openai", "RequestModel": "gpt-4o-mini", "PriceKey": "openai/gpt-4o-mini"}]


CHAT_FORM = USAGES["langfuse: OpenAI's chat form"][0]

# Attributes of a span, then what it cost in USD and the basis of that.
PRICED: list[tuple[dict[str, Any], float | None, str]] = [
    (
        {
            **USAGES["langfuse: the total proves that the cache is inside"][0],
            "langfuse.observation.model.name": "gpt-4o",
        },
        (86 * 2.5 + 17_817 * 1.25 + 100 * 10) / 1e6,
        "computed",
    ),
    (
        {**CHAT_FORM, "langfuse.observation.model.name": "gpt-4o-mini"},
        (176 * 0.15 + 1_024 * 0.075 + 60 * 0.6) / 1e6,
        "computed",
    ),
    (
        {
            **USAGES["langfuse's LangChain handler: reasoning beside output"][0],
            "langfuse.observation.model.name": "o3-mini",
        },
        (176 * 1.1 + 2_100 * 4.4) / 1e6,
        "computed",
    ),
    (
        {**CHAT, "gen_ai.provider.name": "az.ai.openai", "gen_ai.response.model": "gpt-35-turbo-1106"},
        (10 * 1 + 5 * 2) / 1e6,
        "computed",
    ),
    (
        {**USAGES["mlflow"][0], "mlflow.llm.model": '"gpt-4o-mini"'},
        (100 * 0.15 + 900 * 0.075 + 50 * 0.6) / 1e6,
        "computed",
    ),
    ({**CHAT, "gen_ai.request.model": "house-model", "gen_ai.usage.cost": 0.25}, 0.25, "reported"),
    ({**CHAT, "gen_ai.request.model": "house-model"}, None, ""),
    ({**CHAT, "gen_ai.provider.name": "ollama", "gen_ai.request.model": "llama3"}, 0.0, "local"),
    (
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-4o-mini",
            "gen_ai.usage.prompt_tokens": 1_200,
            "gen_ai.usage.completion_tokens": 60,
            "gen_ai.cost.total_cost": 0.0001392,
        },
        (1_200 * 0.15 + 60 * 0.6) / 1e6,
        "computed",
    ),
]


def test_spans_cost_what_was_billed(client: Client, insert: Insert) -> None:
    """From attributes to USD: each shape at its price, reported or local where there is none, a difference shown."""
    spans = Spans()
    for attributes, *_ in PRICED:
        spans.add(attributes, scope="langfuse-sdk" if "langfuse.observation.type" in attributes else "")
    spans.add({"gen_ai.operation.name": "embeddings", "gen_ai.request.model": "lexical"})
    spans.add({**CHAT, "gen_ai.operation.name": "embeddings", "gen_ai.request.model": "text-embedding-3-small"})
    spans.rows(client, insert, "SELECT 1")
    model_prices.refresh(client)
    rows = client.query_rows("SELECT CostUsd, CostBasis, CostDiffers FROM llm_calls_priced ORDER BY SpanId")
    expected = [(None if cost is None else pytest.approx(cost, abs=1e-12), basis) for _, cost, basis in PRICED]
    assert [(row["CostUsd"], row["CostBasis"]) for row in rows] == expected
    assert [row["CostDiffers"] for row in rows] == [False] * (len(PRICED) - 1) + [True]
    embedded = client.query_rows("SELECT CostUsd, CostBasis FROM embeddings_priced ORDER BY SpanId")
    assert [tuple(row.values()) for row in embedded] == [(0.0, "local"), (pytest.approx(10 * 0.02e-6), "computed")]
