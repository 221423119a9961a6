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
    reported_input + if(bitTest(decided.1, 0), decided.2, 0) AS InputTokens,
    reported_output + if(bitTest(decided.1, 1), decided.3, 0) AS OutputTokens,
    counts[24] AS CacheReadTokens,
    counts[25] AS CacheWriteTokens,
    counts[26] AS CacheWrite1hTokens,
    reasoning AS ReasoningTokens,
    counts[28] AS InputAudioTokens,
    counts[29] AS OutputAudioTokens,
    bitTest(decided.1, 0) AND decided.2 > 0 AS CacheAdded,
    ['', 'total', 'larger', 'convention'][1 + intDiv(decided.1, 4)] AS TokenRule,
    ToldCostUsd, DurationMs, TtftMs, TtftDefinition,
    toFloat64OrNull(column_values[33]) * 1e3 AS LongestStallMs,
    toUInt32OrNull(column_values[34]) AS Chunks,
    column_values[12] AS Outcome,
    StatusCode, ErrorType, ScopeName, StoredAt
FROM
(
    SELECT
        Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, Tenant, StoredAt, ScopeName, UserId, SessionId, Convention, Provider, RequestModel, column_values, counts, ToldCostUsd, DurationMs, TtftMs, TtftDefinition, StatusCode, ErrorType,
        counts[22] AS reported_input,
        counts[23] AS reported_output,
        counts[27] AS reasoning,
        column_values[30] AS usage,
        -- The numbers of tokens that may stand beside input and output, and what decided about them (see _decision).
        arrayMap(
            (input, output, input_parts, output_parts, excess, rule) -> (multiIf(
                input_parts + output_parts = 0, 0,
                excess = 0 AND rule < 4 AND input_parts <= input AND output_parts <= output, 4,
                excess > 0 AND excess = input_parts + output_parts, 7,
                excess > 0 AND input_parts != output_parts AND excess IN (input_parts, output_parts), if(excess = input_parts, 5, 6),
                bitOr((input_parts > input) + 2 * (output_parts > output), bitAnd(rule, 3)) + if(input_parts > input OR output_parts > output, 8, 12)), input_parts, output_parts),
            [ifNull(reported_input, 100000000)], [ifNull(reported_output, 100000000)],
            [ifNull(counts[24], 0) + ifNull(counts[25], 0) + (Convention = 'langfuse') * ifNull(counts[28], 0)],
            [ifNull(reasoning, 0) + (Convention = 'langfuse') * ifNull(counts[29], 0)],
            [ifNull(toInt64(counts[63]) - reported_input - reported_output, -1)],
            [multiIf(
                match(usage, '"thoughts(TokenCount|_token_count)"'), 2,
                Convention = 'langfuse', if(match(usage, '_details"\\s*:\\s*[{]'), 0, 3),
                match(usage, '"cache(Read|Write)InputToken(s|Count)"'), 1,
                Convention NOT IN ('openlit', 'vercel', 'opik', 'sentry') OR hasAny(mapKeys(indexed_attributes), ['ai.usage.inputTokenDetails.cacheReadTokens', 'ai.usage.outputTokenDetails.reasoningTokens']), 0,
                Provider IN ('anthropic', 'aws.bedrock') OR (Provider = 'gcp.vertex_ai' AND position(RequestModel, 'claude') > 0), 5,
                Provider IN ('gcp.gemini', 'gcp.vertex_ai', 'gcp.gen_ai'), 6,
                0)])[1] AS decided
    FROM calls_canonical
    WHERE Kind = 'model' AND NOT is_duplicate
);
