"""Cost of a call told in every convention: provider by convention by usage by streaming, through the real views."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from itertools import product

import pytest
import store_rows

from sightline_store.client import Client
from sightline_store.prices import model_prices


@dataclass(frozen=True)
class Convention:
    """The names that a convention has for what a call told; '' where it has none."""

    name: str
    provider: str
    model: str
    input: str
    output: str
    cache_read: str
    cache_write: str
    reasoning: str
    streaming: str
    fixed: tuple[tuple[str, str], ...]
    adds_cache: bool = True
    """Whether cache tokens are inside the input tokens also of providers that count them apart."""


CONVENTIONS = (
    Convention(
        "otel",
        "gen_ai.provider.name",
        "gen_ai.response.model",
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.output_tokens",
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.reasoning.output_tokens",
        "gen_ai.request.stream",
        (("gen_ai.operation.name", "chat"),),
    ),
    Convention(
        "otel, coming",
        "gen_ai.provider.name",
        "gen_ai.request.model",
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.output_tokens",
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_write.input_tokens",
        "gen_ai.usage.reasoning.output_tokens",
        "gen_ai.request.stream",
        (("gen_ai.operation.name", "chat"),),
    ),
    Convention(
        "openllmetry, old",
        "gen_ai.system",
        "gen_ai.response.model",
        "gen_ai.usage.prompt_tokens",
        "gen_ai.usage.completion_tokens",
        "gen_ai.usage.cache_read_input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
        "gen_ai.usage.reasoning_tokens",
        "llm.is_streaming",
        (("llm.request.type", "chat"),),
    ),
    Convention(
        "openinference",
        "llm.provider",
        "llm.model_name",
        "llm.token_count.prompt",
        "llm.token_count.completion",
        "llm.token_count.prompt_details.cache_read",
        "llm.token_count.prompt_details.cache_write",
        "llm.token_count.completion_details.reasoning",
        "",
        (("openinference.span.kind", "LLM"),),
    ),
    Convention(
        "openlit",
        "gen_ai.system",
        "gen_ai.response.model",
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.output_tokens",
        "gen_ai.usage.cache_read_input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
        "gen_ai.usage.reasoning_tokens",
        "gen_ai.request.is_stream",
        (("gen_ai.operation.name", "chat"), ("telemetry.sdk.name", "openlit")),
        adds_cache=False,
    ),
)
# Provider as spans name it, model, listed prices in USD per million tokens (input, output, cache read, cache write),
# and whether it counts cache tokens beside the input tokens.
PROVIDERS = (
    ("openai", "gpt-4o-mini-2024-07-18", "0.15", "0.60", "0.075", "0.15", False),
    ("azure", "gpt-4o", "2.50", "10", "1.25", "2.50", False),
    ("anthropic", "claude-3-5-sonnet-20241022", "3", "15", "0.30", "3.75", True),
    ("aws.bedrock", "us.anthropic.claude-3-5-sonnet-20241022-v2:0", "3", "15", "0.30", "3.75", True),
    ("gcp.gemini", "gemini-2.0-flash", "0.10", "0.40", "0.025", "0.10", False),
    ("mistral_ai", "mistral-large-latest", "2", "6", "2", "2", False),
)
USAGES = ((0, 0, 0), (600, 0, 0), (0, 250, 0), (400, 100, 0), (0, 0, 300), (512, 128, 77))
INPUT, OUTPUT = 1_201, 307


@pytest.fixture
def client(emptied: Callable[..., Client]) -> Client:
    """A client of tables without rows."""
    return emptied()


def test_a_call_costs_the_same_in_every_convention(client: Client) -> None:
    """Cache inside input or beside it, reasoning inside output, streamed or not: exact to 1e-9 USD, 360 calls."""
    expected: dict[str, Decimal] = {}
    spans = []
    for number, (convention, listed, usage, streamed) in enumerate(
        product(CONVENTIONS, PROVIDERS, USAGES, (False, True))
    ):
        provider, model, in_price, out_price, read_price, write_price, apart = listed
        read, write, reasoning = usage
        name = f"{number:016x}"
        cost = (
            (INPUT - read - write) * Decimal(in_price)
            + read * Decimal(read_price)
            + write * Decimal(write_price)
            + OUTPUT * Decimal(out_price)
        )
        expected[name] = cost / 1_000_000
        told_input = INPUT - read - write if apart and not convention.adds_cache else INPUT
        # Gemini counts thoughts beside the answer.
        told_output = OUTPUT - reasoning if provider == "gcp.gemini" and not convention.adds_cache else OUTPUT
        attributes = dict(convention.fixed)
        attributes |= {convention.provider: provider, convention.model: model}
        attributes |= {convention.input: str(told_input), convention.output: str(told_output)}
        for key, count in (
            (convention.cache_read, read),
            (convention.cache_write, write),
            (convention.reasoning, reasoning),
        ):
            if count:
                attributes[key] = str(count)
        if streamed and convention.streaming:
            attributes[convention.streaming] = "true"
            attributes["gen_ai.response.time_to_first_chunk"] = "0.25"
        spans.append(
            {
                "Timestamp": "2026-03-01 12:00:00",
                "TraceId": f"{number:032x}",
                "SpanId": name,
                "SpanName": f"chat {model}",
                "SpanKind": "Client",
                "ServiceName": "app",
                "ScopeName": "openlit.otel" if convention.name == "openlit" else "",
                "ResourceAttributes": {"telemetry.sdk.name": "openlit"} if convention.name == "openlit" else {},
                "SpanAttributes": attributes,
                "Duration": 900_000_000,
            }
        )
    store_rows.insert(client, "otel_traces", spans)
    model_prices.refresh(client)
    rows = client.query_rows(
        "SELECT SpanId, Convention, Provider, CostUsd, CostUnknown, InputTokens, OutputTokens FROM llm_calls_priced"
    )
    told = {row["SpanId"]: row for row in rows}
    assert len(told) == len(rows) == len(expected) == 360
    wrong = {
        name: (float(cost), told[name])
        for name, cost in expected.items()
        if told[name]["CostUsd"] is None or abs(told[name]["CostUsd"] - float(cost)) > 1e-9
    }
    assert wrong == {}
