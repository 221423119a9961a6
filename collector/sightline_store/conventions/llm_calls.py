# ruff: noqa: E501, S608 - the lines are those of the SQL that is written; nothing in it comes from outside.
"""The statement that fills `llm_calls`: what a model call spent, whatever its convention counts.

Whether cached tokens are inside the input tokens, and reasoning tokens inside the output tokens, is decided by the numbers
where they prove it: by the total, or by a part that is larger than its whole. Where nothing proves it, the rule of the
convention and of the provider holds. `TokenRule` says what decided.
"""

from __future__ import annotations

from sightline_store.conventions import dialects
from sightline_store.conventions.calls import MAX_TOKENS, SPAN
from sightline_store.conventions.sql_expressions import has, token_count, value_of
from sightline_store.quoting import quote_string, quote_strings

_COUNTED_AS_A_WHOLE = ("ai.usage.inputTokenDetails.cacheReadTokens", "ai.usage.outputTokenDetails.reasoningTokens")
"""Keys that the Vercel AI SDK writes since it counts all parts inside the whole."""

_PASSED = f"{SPAN}, ScopeName, UserId, SessionId, Convention, Provider, RequestModel, column_values, counts, ToldCostUsd, DurationMs, TtftMs, TtftDefinition, StatusCode, ErrorType"


def _decision() -> str:
    """The expression of which parts of the tokens stand beside their whole, and of what decided that, as one number.

    1 is for the input's parts and 2 for the output's; 4 is added where the total decided, 8 where a part that is larger
    than its whole did, 12 where `rule` did. 0 is a call without parts.

    `excess` is what the total counts beyond input and output, -1 where it is not known. `rule` has 1 and 2 as the result, and
    4 where a total that is the sum of input and output proves nothing, since the instrumentation computed it.
    """
    return """multiIf(
                input_parts + output_parts = 0, 0,
                excess = 0 AND rule < 4 AND input_parts <= input AND output_parts <= output, 4,
                excess > 0 AND excess = input_parts + output_parts, 7,
                excess > 0 AND input_parts != output_parts AND excess IN (input_parts, output_parts), if(excess = input_parts, 5, 6),
                bitOr((input_parts > input) + 2 * (output_parts > output), bitAnd(rule, 3)) + if(input_parts > input OR output_parts > output, 8, 12))"""


LLM_CALLS = f"""\
SELECT
    Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, Tenant, UserId, SessionId, Convention,
    {value_of("operation")} AS Operation,
    Provider, RequestModel,
    {value_of("response_model")} AS ResponseModel,
    {value_of("priced_as")} AS PricedAs,
    {value_of("note")} AS Note,
    {value_of("service_tier")} AS ServiceTier,
    multiIf(
        {has("streaming")}, lower({value_of("streaming")}) IN ('true', '1'),
        startsWith({value_of("kind")}, 'ai.stream'), true,
        NULL) AS Streaming,
    -- The first of a list.
    replaceRegexpOne({value_of("finish_reason")}, '^\\\\[("([^"]*)")?.*', '\\\\2') AS FinishReason,
    reported_input + if(bitTest(decided.1, 0), decided.2, 0) AS InputTokens,
    reported_output + if(bitTest(decided.1, 1), decided.3, 0) AS OutputTokens,
    {token_count("cache_read_tokens")} AS CacheReadTokens,
    {token_count("cache_write_tokens")} AS CacheWriteTokens,
    {token_count("cache_write_1h_tokens")} AS CacheWrite1hTokens,
    reasoning AS ReasoningTokens,
    {token_count("input_audio_tokens")} AS InputAudioTokens,
    {token_count("output_audio_tokens")} AS OutputAudioTokens,
    bitTest(decided.1, 0) AND decided.2 > 0 AS CacheAdded,
    ['', 'total', 'larger', 'convention'][1 + intDiv(decided.1, 4)] AS TokenRule,
    ToldCostUsd, DurationMs, TtftMs, TtftDefinition,
    toFloat64OrNull({value_of("stall")}) * 1e3 AS LongestStallMs,
    toUInt32OrNull({value_of("chunks")}) AS Chunks,
    {value_of("outcome")} AS Outcome,
    StatusCode, ErrorType, ScopeName, StoredAt
FROM
(
    SELECT
        {_PASSED},
        {token_count("input_tokens")} AS reported_input,
        {token_count("output_tokens")} AS reported_output,
        {token_count("reasoning_tokens")} AS reasoning,
        {value_of("usage_json")} AS usage,
        -- The numbers of tokens that may stand beside input and output, and what decided about them (see _decision).
        arrayMap(
            (input, output, input_parts, output_parts, excess, rule) -> ({_decision()}, input_parts, output_parts),
            [ifNull(reported_input, {MAX_TOKENS})], [ifNull(reported_output, {MAX_TOKENS})],
            [ifNull({token_count("cache_read_tokens")}, 0) + ifNull({token_count("cache_write_tokens")}, 0) + (Convention = 'langfuse') * ifNull({token_count("input_audio_tokens")}, 0)],
            [ifNull(reasoning, 0) + (Convention = 'langfuse') * ifNull({token_count("output_audio_tokens")}, 0)],
            [ifNull(toInt64({token_count("total_tokens")}) - reported_input - reported_output, -1)],
            [multiIf(
                match(usage, {quote_string(dialects.REASONING_BESIDE_USAGE)}), 2,
                Convention = 'langfuse', if(match(usage, {quote_string(dialects.NESTED_USAGE)}), 0, 3),
                match(usage, {quote_string(dialects.CACHE_BESIDE_USAGE)}), 1,
                Convention NOT IN ({quote_strings(dialects.RAW_COUNT_CONVENTIONS)}) OR hasAny(mapKeys(indexed_attributes), [{quote_strings(_COUNTED_AS_A_WHOLE)}]), 0,
                Provider IN ({quote_strings(dialects.CACHE_BESIDE_PROVIDERS)}) OR (Provider = 'gcp.vertex_ai' AND position(RequestModel, 'claude') > 0), 5,
                Provider IN ({quote_strings(dialects.REASONING_BESIDE_PROVIDERS)}), 6,
                0)])[1] AS decided
    FROM calls_canonical
    WHERE Kind = 'model' AND NOT is_duplicate
)"""
