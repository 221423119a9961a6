-- How did one window go: volume, errors, time to first token and total, tokens, cost, and what the answers scored?
-- An answer's scores count in the window in which it was asked, whenever they were given. Times to first token are those of
-- ttft_definition, the one that most requests have (of equals the most exact); ttft_others have another.
SELECT r.* EXCEPT (ttft_counts, ttft, total), m.*, s.*
FROM
(
    SELECT
        count() AS requests,
        countIf(
            -- include: failed.sql
            OR HttpStatus >= 500) AS errors,
        [countIf(TtftDefinition = 'delivered'), countIf(TtftDefinition = 'first_token'), countIf(TtftDefinition = 'first_chunk')] AS ttft_counts,
        -- include: overview_ttft.sql
        [
            quantilesExactIf(0.5, 0.95)(TtftMs, TtftDefinition = 'delivered'),
            quantilesExactIf(0.5, 0.95)(TtftMs, TtftDefinition = 'first_token'),
            quantilesExactIf(0.5, 0.95)(TtftMs, TtftDefinition = 'first_chunk')
        ][indexOf(ttft_counts, ttft_n)] AS ttft,
        quantilesExact(0.5, 0.95)(DurationMs) AS total,
        -- include: overview_times.sql
    FROM requests
    WHERE
        -- include: of_requests.sql
) AS r
CROSS JOIN
(
    SELECT
        count() AS llm_calls,
        countIf(CostUsd IS NULL) AS unpriced_calls,
        sumOrNull(InputTokens) AS input_tokens,
        sumOrNull(OutputTokens) AS output_tokens,
        sumOrNull(CostUsd) AS cost_usd
    FROM llm_calls_priced
    WHERE
        -- include: of_calls.sql
) AS m
CROSS JOIN
(
    -- include: overview_scores.sql
) AS s
