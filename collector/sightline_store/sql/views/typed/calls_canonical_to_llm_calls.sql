-- Written by `python -m sightline_store.conventions.canonical` from the alias table (aliases.py): edit that.
CREATE MATERIALIZED VIEW calls_canonical_to_llm_calls TO llm_calls AS
SELECT
    Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, Tenant, UserId, SessionId, Convention,
    column_values[2] AS Operation,
    Provider, RequestModel,
    column_values[15] AS ResponseModel,
    column_values[17] AS PricedAs,
    column_values[18] AS Note,
    column_values[19] AS ServiceTier,
    multiIf(
        mapContains(column_values, 20), lower(column_values[20]) IN ('true', '1'),
        startsWith(column_values[3], 'ai.stream'), true,
        NULL) AS Streaming,
    -- The first of a list.
    replaceRegexpOne(column_values[21], '^\\[("([^"]*)")?.*', '\\2') AS FinishReason,
    reported_input + if(cache_excluded, cached, 0) AS InputTokens,
    reported_output + if(reasoning_excluded, reasoning, 0) AS OutputTokens,
    counts[24] AS CacheReadTokens,
    counts[25] AS CacheWriteTokens,
    counts[26] AS CacheWrite1hTokens,
    reasoning AS ReasoningTokens,
    counts[28] AS InputAudioTokens,
    counts[29] AS OutputAudioTokens,
    cache_excluded AS CacheAdded,
    ToldCostUsd, DurationMs, TtftMs, TtftDefinition,
    toFloat64OrNull(column_values[33]) * 1e3 AS LongestStallMs,
    toUInt32OrNull(column_values[34]) AS Chunks,
    column_values[12] AS Outcome,
    StatusCode, ErrorType
FROM
(
    SELECT
        Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, Tenant, UserId, SessionId, Convention, Provider, RequestModel, column_values, counts, ToldCostUsd, DurationMs, TtftMs, TtftDefinition, StatusCode, ErrorType,
        counts[22] AS reported_input,
        counts[23] AS reported_output,
        counts[27] AS reasoning,
        ifNull(counts[24], 0) + ifNull(counts[25], 0) AS cached,
        -- Langfuse's usage details do not include each other.
        Convention = 'langfuse' AND mapContains(column_values, 30) AS details_exclusive,
        cached > 0 AND (details_exclusive OR ifNull(cached > reported_input, false) OR (Convention IN ('openlit', 'vercel', 'opik', 'sentry')
            AND Provider IN ('anthropic', 'aws.bedrock', 'gcp.vertex_ai') AND NOT mapContains(indexed_attributes, 'ai.usage.inputTokenDetails.cacheReadTokens'))) AS cache_excluded,
        ifNull(reasoning > 0 AND (details_exclusive OR reasoning > reported_output), false) AS reasoning_excluded
    FROM calls_canonical
    WHERE Kind = 'model'
);
