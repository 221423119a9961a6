"""Values that are members of a JSON object in an attribute: usage in the shapes of providers and frameworks.

A part of the alias table (`aliases.py`), which holds the keys of the objects.
"""

from __future__ import annotations

JSON_COLUMNS = ("usage_json", "parameters")
"""Columns whose value is a JSON object, or the text of a Python dictionary: its members are read by `JSON_MEMBERS`,
after all keys."""

OUTPUT_KEY = "mlflow.spanOutputs"
"""The key with the provider's answer, in whose usage object counts stand that MLflow has no other attribute for:
reasoning tokens, the tokens of embeddings. Of a stream of LangChain the object is in an event instead."""

USAGE_IN_OUTPUT = r'"usage(?:_metadata)?":\s*([{](?:[^{}]|[{][^{}]*[}])*[}])'
"""A regular expression of the usage object in an answer: OpenAI's and Anthropic's, or LangChain's."""

JSON_MEMBERS: dict[str, tuple[str, ...]] = {
    "input_tokens": (
        "input",
        "input_tokens",
        "prompt_tokens",
        "inputTokens",
        "promptTokenCount",
        "prompt_token_count",
        "inputTokenCount",
    ),
    "output_tokens": (
        "output",
        "output_tokens",
        "completion_tokens",
        "outputTokens",
        "candidatesTokenCount",
        "candidates_token_count",
        "responseTokenCount",
        "outputTokenCount",
    ),
    "total_tokens": ("total", "total_tokens", "totalTokens", "totalTokenCount", "total_token_count", "tokens"),
    "cache_read_tokens": (
        "input_cached_tokens",
        "cache_read_input_tokens",
        "input_cache_read",
        "prompt_cached_tokens",
        "input_cache_read_input_tokens",
        "cacheReadInputTokens",
        "cacheReadInputTokenCount",
        "cachedContentTokenCount",
        "cached_content_token_count",
        "prompt_cache_hit_tokens",
        "cached_tokens",
        "input_cached",
        "prompt_tokens_details.cached_tokens",
        "input_tokens_details.cached_tokens",
        "input_token_details.cache_read",
        "openai.cachedPromptTokens",
        "anthropic.cacheReadInputTokens",
        "deepseek.promptCacheHitTokens",
    ),
    "cache_write_tokens": (
        "cache_creation_input_tokens",
        "input_cache_creation",
        "prompt_cache_creation_tokens",
        "input_cache_creation_input_tokens",
        "cache_write_input_tokens",
        "input_cache_write",
        "cacheWriteInputTokens",
        "cacheWriteInputTokenCount",
        "input_token_details.cache_creation",
        "prompt_tokens_details.cache_write_tokens",
        "anthropic.cacheCreationInputTokens",
    ),
    "cache_write_1h_tokens": (
        "cache_creation.ephemeral_1h_input_tokens",
        "input_token_details.ephemeral_1h_input_tokens",
        "input_cache_creation_1h",
        "cache_creation_input_tokens_above_1hr",
    ),
    "reasoning_tokens": (
        "output_reasoning_tokens",
        "reasoning_tokens",
        "completion_reasoning_tokens",
        "output_reasoning",
        "thoughtsTokenCount",
        "thoughts_token_count",
        "completion_tokens_details.reasoning_tokens",
        "output_tokens_details.reasoning_tokens",
        "output_token_details.reasoning",
        "openai.reasoningTokens",
    ),
    "input_audio_tokens": (
        "input_audio_tokens",
        "input_audio",
        "prompt_audio_tokens",
        "prompt_tokens_details.audio_tokens",
        "input_tokens_details.audio_tokens",
        "input_token_details.audio",
        "promptTokensDetails",
        "prompt_tokens_details",
    ),
    "output_audio_tokens": (
        "output_audio_tokens",
        "output_audio",
        "completion_audio_tokens",
        "completion_tokens_details.audio_tokens",
        "output_tokens_details.audio_tokens",
        "output_token_details.audio",
        "candidatesTokensDetails",
        "candidates_tokens_details",
    ),
    "reported_cost": ("total_cost", "cost", "estimated_cost", "gateway.cost"),
    "request_model": ("model",),
    "streaming": ("stream",),
    "ttft_named": ("time_to_first_token",),
}
"""Canonical value to the members of such an object that hold it; `a.b` is the member `b` of the object `a` in it."""
