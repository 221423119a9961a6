-- What has happened since a moment, in one row: the numbers that the demo prints.
-- cost_usd is that of models and embeddings together as far as it is known; NULL where no model's is.
SELECT r.*, m.* EXCEPT (model_usd), m.model_usd + ifNull(e.embedding_usd, 0) AS cost_usd, p.*, s.*, t.*
FROM
(
    SELECT
        count() AS requests,
        countIf(
            -- include: failed.sql
            OR HttpStatus >= 500) AS errors,
        arrayStringConcat(groupUniqArrayIf(3)(
            if(ErrorType != '', toString(ErrorType), concat('HTTP ', toString(HttpStatus))),
            -- include: failed.sql
            OR HttpStatus >= 500), ', ') AS error_types,
        quantileExactOrNullIf(0.5)(TtftMs, TtftDefinition = 'delivered') AS ttft_p50_ms,
        quantileExactOrNullIf(0.95)(TtftMs, TtftDefinition = 'delivered') AS ttft_p95_ms,
        quantileExactOrNull(0.5)(DurationMs) AS total_p50_ms,
        quantileExactOrNull(0.95)(DurationMs) AS total_p95_ms
    FROM requests
    WHERE Timestamp >= {since:DateTime64(3, 'UTC')}
) AS r
CROSS JOIN
(
    SELECT sumOrNull(InputTokens) AS input_tokens, sumOrNull(OutputTokens) AS output_tokens, sumOrNull(CostUsd) AS model_usd
    FROM llm_calls_priced
    WHERE Timestamp >= {since:DateTime64(3, 'UTC')}
) AS m
CROSS JOIN
(
    SELECT sumOrNull(CostUsd) AS embedding_usd FROM embeddings_priced WHERE Timestamp >= {since:DateTime64(3, 'UTC')}
) AS e
CROSS JOIN
(
    SELECT
        avgOrNullIf(Value, Name = 'retrieval_hit_at_5') AS retrieval_hit_at_5,
        avgOrNullIf(Value, Name = 'faithfulness') AS faithfulness,
        countIf(Name = 'faithfulness' AND Value IS NOT NULL) AS faithfulness_n
    FROM scores
    WHERE Timestamp >= {since:DateTime64(3, 'UTC')}
) AS s
CROSS JOIN
(
    -- What the model server did until the first token, where it says so: its queue (with the network) and the prompt.
    SELECT
        quantileExactOrNull(0.5)(queue_s * 1000) AS queue_p50_ms, quantileExactOrNull(0.95)(queue_s * 1000) AS queue_p95_ms,
        quantileExactOrNull(0.5)(prompt_s * 1000) AS prompt_p50_ms, quantileExactOrNull(0.95)(prompt_s * 1000) AS prompt_p95_ms,
        sumOrNull(cached) AS cached_input_tokens
    FROM
    (
        SELECT
            toFloat64OrNull(SpanAttributes['sightline.model.queue_duration']) AS queue_s,
            toFloat64OrNull(SpanAttributes['sightline.model.prompt_duration']) AS prompt_s,
            toUInt64OrNull(SpanAttributes['gen_ai.usage.cache_read.input_tokens']) AS cached
        FROM otel_traces
        WHERE Timestamp >= {since:DateTime64(3, 'UTC')} AND mapContains(SpanAttributes, 'sightline.model.prompt_duration')
    )
) AS p
CROSS JOIN
(
    SELECT count() AS spans_stored FROM otel_traces WHERE Timestamp >= {since:DateTime64(3, 'UTC')}
) AS t
