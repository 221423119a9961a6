"""Token counts of a provider's usage object as span attributes, read from its shape.

Understood: OpenAI (chat completions, Responses), Anthropic, Bedrock's converse, Google, Cohere, Ollama, and LangChain's
``usage_metadata``; as objects and as dictionaries.
"""

from types import NoneType
from typing import Any, Final

from sightline import semconv

INPUT_KEYS: Final = (
    semconv.GEN_AI_USAGE_INPUT_TOKENS,
    semconv.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS,
    semconv.GEN_AI_USAGE_CACHE_CREATION_INPUT_TOKENS,
)
"""Attributes of the input side."""


def usage_attributes(usage: object) -> dict[str, int]:
    """Return a provider's usage object as span attributes.

    ``gen_ai.usage.input_tokens`` includes both kinds of cache tokens, ``gen_ai.usage.output_tokens`` includes
    reasoning. OpenAI, Google, Ollama and LangChain count the cached ones inside already. Anthropic's ``input_tokens``
    leaves them out, so they are added; so does Bedrock's ``inputTokens``, unless its total shows otherwise. Google's
    candidate tokens leave out the thoughts.
    """
    if usage is None:
        return {}
    if count_of(usage, "inputTokens") is not None or count_of(usage, "outputTokens") is not None:
        counts = _of_bedrock(usage)
    elif count_of(usage, "prompt_token_count") is not None or count_of(usage, "promptTokenCount") is not None:
        counts = _of_google(usage)
    elif not isinstance(tokens := member(usage, "tokens") or member(usage, "billed_units"), (int, float, NoneType)):
        # Cohere: all tokens, or those that are billed where it reports no others.
        cached = _whole(usage, "cached_tokens")
        counts = (_whole(tokens, "input_tokens"), _whole(tokens, "output_tokens"), cached, None, None)
    elif count_of(usage, "prompt_eval_count") is not None or count_of(usage, "eval_count") is not None:
        counts = (count_of(usage, "prompt_eval_count"), count_of(usage, "eval_count"), None, None, None)
    else:
        counts = _of_openai_or_anthropic(usage)
    keys = (
        semconv.GEN_AI_USAGE_INPUT_TOKENS,
        semconv.GEN_AI_USAGE_OUTPUT_TOKENS,
        semconv.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS,
        semconv.GEN_AI_USAGE_CACHE_CREATION_INPUT_TOKENS,
        semconv.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS,
    )
    return {key: value for key, value in zip(keys, counts, strict=True) if value is not None}


def merged_usage(before: dict[str, int], usage: object) -> dict[str, int]:
    """Return the counts of two usage events; input counts of the earlier one stay where the later one has none."""
    later = usage_attributes(usage)
    if not later.get(semconv.GEN_AI_USAGE_INPUT_TOKENS):
        for key in INPUT_KEYS:
            if key in before:
                later.pop(key, None)
    return {**before, **later}


def added_usage(before: dict[str, int], usage: object) -> dict[str, int]:
    """Return the sum of two usage objects: LangChain spreads the counts of one answer over its chunks."""
    later = usage_attributes(usage)
    return {key: before.get(key, 0) + later.get(key, 0) for key in before.keys() | later.keys()}


_Counts = tuple[int | None, int | None, int | None, int | None, int | None]
"""Input, output, read from the cache, written to the cache, reasoning."""


def _of_openai_or_anthropic(usage: object) -> _Counts:
    cache_read = count_of(usage, "cache_read_input_tokens")
    cache_written = count_of(usage, "cache_creation_input_tokens")
    prompt = count_of(usage, "prompt_tokens")
    if prompt is None:
        prompt = count_of(usage, "input_tokens")
        if prompt is not None:
            prompt += (cache_read or 0) + (cache_written or 0)
    details = (
        member(usage, "prompt_tokens_details")
        or member(usage, "input_tokens_details")
        or member(usage, "input_token_details")  # LangChain
    )
    if cache_read is None:
        cache_read = count_of(details, "cached_tokens")
        if cache_read is None:
            cache_read = count_of(details, "cache_read")
    if cache_written is None:
        cache_written = count_of(details, "cache_creation")
    output = count_of(usage, "completion_tokens")
    if output is None:
        output = count_of(usage, "output_tokens")
    details = (
        member(usage, "completion_tokens_details")
        or member(usage, "output_tokens_details")
        or member(usage, "output_token_details")
    )
    reasoning = count_of(details, "reasoning_tokens")
    if reasoning is None:
        reasoning = count_of(details, "reasoning")
    return (prompt, output, cache_read, cache_written, reasoning)


def _of_bedrock(usage: object) -> _Counts:
    given, output = count_of(usage, "inputTokens"), count_of(usage, "outputTokens")
    read, written = count_of(usage, "cacheReadInputTokens"), count_of(usage, "cacheWriteInputTokens")
    if given is not None and count_of(usage, "totalTokens") != given + (output or 0):
        given += (read or 0) + (written or 0)
    return (given, output, read, written, None)


def _of_google(usage: object) -> _Counts:
    def count(name: str, camel_case: str) -> int | None:
        value = count_of(usage, name)
        return count_of(usage, camel_case) if value is None else value

    prompt = count("prompt_token_count", "promptTokenCount")
    output = count("candidates_token_count", "candidatesTokenCount")
    thoughts = count("thoughts_token_count", "thoughtsTokenCount")
    if output is not None or thoughts is not None:
        output = (output or 0) + (thoughts or 0)
    return (prompt, output, count("cached_content_token_count", "cachedContentTokenCount"), None, thoughts)


def member(holder: Any, name: str) -> Any:
    """Return an entry of a dictionary or an attribute of an object; None without it."""
    # Not Mapping: that check costs more than all the rest of reading a chunk.
    return holder.get(name) if isinstance(holder, dict) else getattr(holder, name, None)


def text_of(holder: Any, name: str) -> str | None:
    """Return a member that is a string; None when it is something else."""
    value = member(holder, name)
    return value if isinstance(value, str) else None


def count_of(holder: Any, name: str) -> int | None:
    """Return a member that is an integer; None when it is something else."""
    value = member(holder, name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _whole(holder: Any, name: str) -> int | None:
    value = member(holder, name)
    return int(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
