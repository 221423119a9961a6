-- What did each model call of one trace spend?
WITH
    -- What was recorded by a log of its end (a stream, by Logfire) began before the first raw row.
    (SELECT min(Start) - INTERVAL 1 HOUR FROM otel_traces_trace_id_ts WHERE TraceId = {trace_id:String}) AS first_start,
    (SELECT max(End) FROM otel_traces_trace_id_ts WHERE TraceId = {trace_id:String}) AS last_start
SELECT
    SpanId AS span_id,
    toString(Price) AS price_key,
    toString(PricedAs) AS priced_as,
    toString(Note) AS note,
    InputTokens AS input_tokens,
    OutputTokens AS output_tokens,
    CacheReadTokens AS cache_read_tokens,
    ReasoningTokens AS reasoning_tokens,
    CostUsd AS cost_usd,
    CostUnknown AS cost_unknown,
    toString(CostBasis) AS cost_basis,
    ToldCostUsd AS reported_cost_usd,
    toString(TokenRule) AS token_rule,
    TtftMs AS ttft_ms,
    LongestStallMs AS longest_stall_ms,
    Chunks AS chunks,
    toString(Outcome) AS outcome
FROM llm_calls_priced
WHERE TraceId = {trace_id:String}
    AND Timestamp >= first_start AND Timestamp < toDateTime64(last_start, 9) + INTERVAL 1 SECOND
ORDER BY Timestamp
