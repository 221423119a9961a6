-- How did time to first token and total time move, as percentiles a bucket? Empty buckets are absent. Times to first token
-- are those of ttft_definition, the one that most requests of the window have (of equals the most exact); ttft_others of a
-- bucket have another.
SELECT
    -- include: latency_columns.sql
FROM
(
    SELECT
        *,
        -- include: latency_shown.sql
    FROM
    (
        SELECT
            intDiv(toUnixTimestamp(Timestamp), {bucket_s:UInt32}) * {bucket_s:UInt32} AS bucket,
            count() AS requests,
            countIf(
                -- include: failed.sql
                OR HttpStatus >= 500) AS errors,
            [countIf(TtftDefinition = 'delivered'), countIf(TtftDefinition = 'first_token'), countIf(TtftDefinition = 'first_chunk')] AS ttft_counts,
            [
                quantilesExactIf(0.5, 0.95, 0.99)(TtftMs, TtftDefinition = 'delivered'),
                quantilesExactIf(0.5, 0.95, 0.99)(TtftMs, TtftDefinition = 'first_token'),
                quantilesExactIf(0.5, 0.95, 0.99)(TtftMs, TtftDefinition = 'first_chunk')
            ] AS ttft,
            quantilesExact(0.5, 0.95, 0.99)(DurationMs) AS total
        FROM requests
        WHERE
            -- include: of_requests.sql
        GROUP BY bucket
    )
)
ORDER BY bucket
