"""Names of models as spans have them, and the price that each gets: that of public lists, or unknown."""

from __future__ import annotations

from decimal import Decimal

import pytest

from sightline_store.prices import model_names, price_book

# USD per million tokens of input and output, copied by hand from the providers' public price lists.
PRICED: dict[str, tuple[str, str | None]] = {
    # OpenAI: dates, aliases, tuned models.
    "openai/gpt-4o": ("2.50", "10"),
    "openai/gpt-4o-2024-08-06": ("2.50", "10"),
    "openai/gpt-4o-2024-11-20": ("2.50", "10"),
    "openai/gpt-4o-2024-05-13": ("5", "15"),
    "openai/GPT-4o": ("2.50", "10"),
    "openai/gpt-4o-mini": ("0.15", "0.60"),
    "openai/gpt-4o-mini-2024-07-18": ("0.15", "0.60"),
    "openai/chatgpt-4o-latest": ("5", "15"),
    "openai/gpt-4.1": ("2", "8"),
    "openai/gpt-4.1-mini-2025-04-14": ("0.40", "1.60"),
    "openai/gpt-4.1-nano-2025-04-14": ("0.10", "0.40"),
    "openai/gpt-5": ("1.25", "10"),
    "openai/gpt-5-mini-2025-08-07": ("0.25", "2"),
    "openai/o1": ("15", "60"),
    "openai/o3-mini": ("1.10", "4.40"),
    "openai/o3": ("2", "8"),
    "openai/o4-mini-2025-04-16": ("1.10", "4.40"),
    "openai/gpt-4": ("30", "60"),
    "openai/gpt-4-0613": ("30", "60"),
    "openai/gpt-4-32k": ("60", "120"),
    "openai/gpt-4-turbo-2024-04-09": ("10", "30"),
    "openai/gpt-4-1106-preview": ("10", "30"),
    "openai/gpt-3.5-turbo": ("0.50", "1.50"),
    "openai/gpt-3.5-turbo-0125": ("0.50", "1.50"),
    "openai/gpt-3.5-turbo-1106": ("1", "2"),
    "openai/text-embedding-3-small": ("0.02", None),
    "openai/text-embedding-3-large": ("0.13", None),
    "openai/text-embedding-ada-002-v2": ("0.10", None),
    "openai/ft:gpt-4o-mini-2024-07-18:org::id": ("0.30", "1.20"),
    "openai/ft:gpt-4o-2024-08-06:acme:support:abc123": ("3.75", "15"),
    "openai/ft:gpt-3.5-turbo-0125:acme::x": ("3", "6"),
    "/ft:gpt-4o-mini-2024-07-18:org::id": ("0.30", "1.20"),
    # Azure: its own spelling of 3.5, OpenAI's names, its spellings as a provider.
    "azure.ai.openai/gpt-35-turbo": ("0.50", "1.50"),
    "azure.ai.openai/gpt-35-turbo-1106": ("1", "2"),
    "azure.ai.openai/gpt-35-turbo-0125": ("0.50", "1.50"),
    "azure.ai.openai/gpt-35-turbo-16k": ("3", "4"),
    "az.ai.openai/gpt-4o": ("2.50", "10"),
    "azure.ai.openai/gpt-4o-2024-08-06": ("2.50", "10"),
    "azure/o3-mini": ("1.10", "4.40"),
    "azure.ai.openai/azure/gpt-4o": ("2.50", "10"),
    "azure.ai.openai/text-embedding-ada-002": ("0.10", None),
    "azure.ai.openai/gpt-4": ("30", "60"),
    # Anthropic.
    "anthropic/claude-3-5-sonnet-20241022": ("3", "15"),
    "anthropic/claude-3-5-sonnet-latest": ("3", "15"),
    "anthropic/claude-3.5-sonnet": ("3", "15"),
    "anthropic/claude-3-7-sonnet-20250219": ("3", "15"),
    "anthropic/claude-sonnet-4-20250514": ("3", "15"),
    "anthropic/claude-sonnet-4-5": ("3", "15"),
    "anthropic/claude-haiku-4-5-20251001": ("1", "5"),
    "anthropic/claude-opus-4-1-20250805": ("15", "75"),
    "anthropic/claude-3-5-haiku-latest": ("0.80", "4"),
    "anthropic/claude-3-haiku-20240307": ("0.25", "1.25"),
    "anthropic/claude-3-opus-20240229": ("15", "75"),
    "anthropic/claude-2.1": ("8", "24"),
    # Bedrock: regions, versions, ARNs.
    "aws.bedrock/anthropic.claude-3-5-sonnet-20241022-v2:0": ("3", "15"),
    "aws.bedrock/us.anthropic.claude-3-5-sonnet-20241022-v2:0": ("3", "15"),
    "aws.bedrock/eu.anthropic.claude-3-7-sonnet-20250219-v1:0": ("3", "15"),
    "aws.bedrock/apac.anthropic.claude-sonnet-4-20250514-v1:0": ("3", "15"),
    "aws.bedrock/global.anthropic.claude-sonnet-4-5-20250929-v1:0": ("3", "15"),
    "aws.bedrock/arn:aws:bedrock:eu-west-1::foundation-model/anthropic.claude-3-haiku-20240307-v1:0": ("0.25", "1.25"),
    "aws.bedrock/arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-3-haiku-20240307-v1:0": (
        "0.25",
        "1.25",
    ),
    "aws.bedrock/amazon.nova-lite-v1:0": ("0.06", "0.24"),
    "aws.bedrock/us.amazon.nova-micro-v1:0": ("0.035", "0.14"),
    "aws.bedrock/amazon.titan-embed-text-v2:0": ("0.02", None),
    "aws.bedrock/us.meta.llama3-3-70b-instruct-v1:0": ("0.72", "0.72"),
    "aws.bedrock/us.deepseek.r1-v1:0": ("1.35", "5.40"),
    "/us.anthropic.claude-3-5-sonnet-20241022-v2:0": ("3", "15"),
    "/anthropic.claude-3-haiku-20240307-v1:0": ("0.25", "1.25"),
    "/amazon.nova-pro-v1:0": ("0.80", "3.20"),
    # Google: Gemini and Vertex, folders, dates behind @.
    "gcp.gemini/gemini-2.5-pro": ("1.25", "10"),
    "gcp.gemini/models/gemini-2.0-flash": ("0.10", "0.40"),
    "gcp.gemini/gemini-2.5-flash-lite": ("0.10", "0.40"),
    "gcp.gemini/models/gemini-embedding-001": ("0.15", None),
    "gcp.gemini/gemini-1.5-flash-002": ("0.075", "0.30"),
    "gcp.vertex_ai/publishers/google/models/gemini-2.0-flash": ("0.10", "0.40"),
    "gcp.vertex_ai/projects/p/locations/us-central1/publishers/google/models/gemini-2.0-flash": ("0.10", "0.40"),
    "gcp.vertex_ai/claude-3-5-sonnet@20240620": ("3", "15"),
    "gcp.vertex_ai/claude-3-5-sonnet-v2@20241022": ("3", "15"),
    "gcp.vertex_ai/publishers/anthropic/models/claude-3-5-sonnet-v2@20241022": ("3", "15"),
    # Other makers and hosts.
    "mistral_ai/mistral-large-latest": ("2", "6"),
    "mistral_ai/mistral-large-2411": ("2", "6"),
    "mistral_ai/open-mistral-nemo": ("0.15", "0.15"),
    "mistral_ai/codestral-latest": ("0.30", "0.90"),
    "mistral_ai/pixtral-large-latest": ("2", "6"),
    "cohere/command-r-plus-08-2024": ("2.50", "10"),
    "cohere/command-r": ("0.15", "0.60"),
    "cohere/command-a-03-2025": ("2.50", "10"),
    "cohere_chat/command-r": ("0.15", "0.60"),
    "x_ai/grok-3": ("3", "15"),
    "xai/grok-3-mini": ("0.30", "0.50"),
    "x_ai/grok-4": ("3", "15"),
    "perplexity/sonar": ("1", "1"),
    "voyageai/voyage-3-large": ("0.18", None),
    "moonshot_ai/kimi-k2-0711-preview": ("0.60", "2.50"),
    "groq/llama-3.3-70b-versatile": ("0.59", "0.79"),
    "groq/llama-3.1-8b-instant": ("0.05", "0.08"),
    "groq/openai/gpt-oss-120b": ("0.15", "0.60"),
    "together_ai/meta-llama/Llama-3.3-70B-Instruct-Turbo": ("0.88", "0.88"),
    "together_ai/meta-llama/Meta-Llama-3.1-8B-Instruct-Turbo": ("0.18", "0.18"),
    "fireworks/accounts/fireworks/models/llama-v3p1-8b-instruct": ("0.20", "0.20"),
    "/accounts/fireworks/models/llama-v3p1-8b-instruct": ("0.20", "0.20"),
    # Gateways: the provider stands before the name, also where the client is OpenAI's.
    "openrouter/openai/gpt-4o": ("2.50", "10"),
    "openrouter/openai/gpt-4o:nitro": ("2.50", "10"),
    "openrouter/anthropic/claude-3.5-sonnet:beta": ("3", "15"),
    "openrouter/meta-llama/llama-3.1-8b-instruct:free": ("0", "0"),
    "litellm/gpt-4o": ("2.50", "10"),
    "litellm/azure/gpt-4o": ("2.50", "10"),
    "litellm/bedrock/anthropic.claude-3-haiku-20240307-v1:0": ("0.25", "1.25"),
    "litellm/vertex_ai/gemini-2.0-flash": ("0.10", "0.40"),
    "litellm/groq/llama-3.3-70b-versatile": ("0.59", "0.79"),
    "litellm/together_ai/meta-llama/Llama-3.3-70B-Instruct-Turbo": ("0.88", "0.88"),
    "litellm/openrouter/openai/gpt-4o": ("2.50", "10"),
    "openai/openai/gpt-4o": ("2.50", "10"),
    "openai/anthropic/claude-3.5-sonnet": ("3", "15"),
    "openai/azure/gpt-4o": ("2.50", "10"),
    "openai/google/gemini-2.0-flash": ("0.10", "0.40"),
    "openai/claude-3-5-sonnet-20241022": ("3", "15"),
    # Frameworks put the provider before a colon.
    "/openai:gpt-4o": ("2.50", "10"),
    "/anthropic:claude-3-5-sonnet-latest": ("3", "15"),
    "/google-gla:gemini-2.0-flash": ("0.10", "0.40"),
    "/bedrock:us.anthropic.claude-3-5-sonnet-20241022-v2:0": ("3", "15"),
    "/groq:llama-3.3-70b-versatile": ("0.59", "0.79"),
    # No provider: the name says whose it is.
    "/gpt-4o": ("2.50", "10"),
    "/gpt-35-turbo-1106": ("1", "2"),
    "/text-embedding-3-small": ("0.02", None),
    "/text-embedding-ada-002": ("0.10", None),
    "/claude-3-5-sonnet-20241022": ("3", "15"),
    "/claude-3-5-sonnet@20240620": ("3", "15"),
    "/gemini-2.5-pro": ("1.25", "10"),
    "/models/gemini-2.0-flash": ("0.10", "0.40"),
    "/mistral-large-latest": ("2", "6"),
    "/command-r-plus": ("2.50", "10"),
    "/grok-3": ("3", "15"),
    "/sonar-pro": ("3", "15"),
    "/voyage-3": ("0.06", None),
    "/llama-3.3-70b-versatile": ("0.59", "0.79"),
    "/openai/gpt-4o": ("2.50", "10"),
    "/azure/gpt-4o": ("2.50", "10"),
}

UNKNOWN = (
    # Names that the caller gave.
    "azure.ai.openai/my-deployment",
    "azure.ai.openai/prod-gpt-4o",
    "azure.ai.openai/gpt-4o-custom",
    "/azure/my-deployment",
    "openai/gpt-4o-custom",
    "/my-gpt-4o",
    "/house-model",
    "/gpt",
    "/embedding",
    "/my-embedding",
    "openai/llama3-of-ours",
    # A tag alone does not say who serves the model.
    "openai/llama3.2:latest",
    "openai/deepseek-r1:8b",
    "openai/house-model:latest",
    # Tuned and imported models, endpoints and profiles of one customer.
    "aws.bedrock/arn:aws:bedrock:us-east-1:123456789012:custom-model/anthropic.claude-3-haiku-20240307-v1:0/abcd",
    "aws.bedrock/arn:aws:bedrock:us-east-1:123456789012:provisioned-model/abcd",
    "aws.bedrock/arn:aws:bedrock:us-east-1:123456789012:imported-model/abcd",
    "aws.bedrock/arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123",
    "gcp.vertex_ai/projects/p/locations/us-central1/endpoints/1234567890",
    "gcp.gemini/tunedModels/my-model-123",
    "fireworks/accounts/acme/models/our-tune",
    "fireworks/accounts/acme/deployedModels/llama-v3p1-8b-instruct-abc",
    "mistral_ai/ft:open-mistral-7b:xyz",
    "openai/ft:llama:acme::x",
    # Open models under the names of a hub: who serves them is not said.
    "openai/mistralai/Mistral-7B-Instruct-v0.2",
    "openai/Qwen/Qwen2.5-7B-Instruct",
    "openai/google/gemma-2-9b-it",
    "openai/openai/gpt-oss-20b",
    "/BAAI/bge-small-en-v1.5",
    "/meta-llama/Llama-3.3-70B-Instruct-Turbo",
    "/mixtral-8x7b-32768",
    "huggingface/meta-llama/Llama-3.1-8B-Instruct",
    # DeepSeek's own prices do not hold on Azure.
    "azure.ai.inference/DeepSeek-R1",
    "openrouter/openrouter/auto",
    "ollama/gpt-oss:120b-cloud",
)

LOCAL = (
    "ollama/llama3:latest",
    "ollama/deepseek-r1:8b",
    "ollama_chat/llama3.1",
    "vllm/meta-llama/Llama-3.1-8B-Instruct",
    "lm_studio/qwen2.5-7b",
    "llama.cpp/model.gguf",
    "llama.cpp/smollm2-135m-instruct",
    "fastembed/BAAI/bge-small-en-v1.5",
    "sentence-transformers/all-MiniLM-L6-v2",
    "litellm/ollama/llama3",
    "/llama3.2:3b",
    "/deepseek-r1:8b",
    "/sentence-transformers/all-MiniLM-L6-v2",
    "onnxruntime/all-MiniLM-L6-v2",
    "/onnx:BAAI/bge-small-en-v1.5",
    "/lexical",
    "openai/extractive-v1",
)


@pytest.mark.parametrize(("key", "prices"), PRICED.items())
def test_a_spelling_has_the_price_of_its_model(key: str, prices: tuple[str, str | None]) -> None:
    """Whoever writes the name: a date, a cloud, a region, a gateway or a missing provider does not hide the price."""
    rate = price_book.quote(key).periods[-1].rate
    assert (rate.input, rate.output) == tuple(price and Decimal(price) for price in prices)


@pytest.mark.parametrize("key", UNKNOWN)
def test_a_name_that_is_not_a_model_has_no_price(key: str) -> None:
    """A price is never that of a model whose name is only part of this one."""
    assert price_book.quote(key).periods == ()


@pytest.mark.parametrize("key", LOCAL)
def test_local_compute_costs_nothing_for_its_tokens(key: str) -> None:
    """What runs on machines of one's own says so, and is neither unknown nor another's."""
    (period,) = price_book.quote(key).periods
    assert (period.source, period.rate.input, period.rate.output) == (price_book.LOCAL, Decimal(0), Decimal(0))


def test_the_table_of_names_is_long_enough_to_mean_something() -> None:
    """At least 120 spellings, each once, none of them in two groups."""
    assert len(PRICED) >= 120
    assert len({*PRICED, *UNKNOWN, *LOCAL}) == len(PRICED) + len(UNKNOWN) + len(LOCAL)


def test_a_guessed_provider_is_said() -> None:
    """Only a provider that the span itself names is certain."""
    assert "guessed" in price_book.quote("openai/anthropic/claude-3.5-sonnet").note
    assert "guessed" not in price_book.quote("azure.ai.openai/azure/gpt-4o").note
    assert not any(candidate.guessed for candidate in model_names.candidates("openrouter", "openai/gpt-4o"))
