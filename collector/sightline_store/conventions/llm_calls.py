# ruff: noqa: E501, S608 - the lines are those of the SQL that is written; nothing in it comes from outside.
"""The statement that fills `llm_calls`: what a model call spent, whatever its convention counts."""

from __future__ import annotations

from sightline_store.conventions import dialects
from sightline_store.conventions.calls import SPAN
from sightline_store.conventions.sql_expressions import has, token_count, value_of
from sightline_store.quoting import quote_strings

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
    reported_input + if(cache_excluded, cached, 0) AS InputTokens,
    reported_output + if(reasoning_excluded, reasoning, 0) AS OutputTokens,
    {token_count("cache_read_tokens")} AS CacheReadTokens,
    {token_count("cache_write_tokens")} AS CacheWriteTokens,
    {token_count("cache_write_1h_tokens")} AS CacheWrite1hTokens,
    reasoning AS ReasoningTokens,
    {token_count("input_audio_tokens")} AS InputAudioTokens,
    {token_count("output_audio_tokens")} AS OutputAudioTokens,
    cache_excluded AS CacheAdded,
    ToldCostUsd, DurationMs, TtftMs, TtftDefinition,
    toFloat64OrNull({value_of("stall")}) * 1e3 AS LongestStallMs,
    toUInt32OrNull({value_of("chunks")}) AS Chunks,
    {value_of("outcome")} AS Outcome,
    StatusCode, ErrorType
FROM
(
    SELECT
        {SPAN}, UserId, SessionId, Convention, Provider, RequestModel, column_values, counts, ToldCostUsd, DurationMs, TtftMs, TtftDefinition, StatusCode, ErrorType,
        {token_count("input_tokens")} AS reported_input,
        {token_count("output_tokens")} AS reported_output,
        {token_count("reasoning_tokens")} AS reasoning,
        ifNull({token_count("cache_read_tokens")}, 0) + ifNull({token_count("cache_write_tokens")}, 0) AS cached,
        -- Langfuse's usage details do not include each other.
        Convention = 'langfuse' AND {has("usage_json")} AS details_exclusive,
        cached > 0 AND (details_exclusive OR ifNull(cached > reported_input, false) OR (Convention IN ({quote_strings(dialects.CACHE_EXCLUDED_CONVENTIONS)})
            AND Provider IN ({quote_strings(dialects.CACHE_EXCLUDED_PROVIDERS)}) AND NOT mapContains(indexed_attributes, 'ai.usage.inputTokenDetails.cacheReadTokens'))) AS cache_excluded,
        ifNull(reasoning > 0 AND (details_exclusive OR reasoning > reported_output), false) AS reasoning_excluded
    FROM calls_canonical
    WHERE Kind = 'model'
)"""
