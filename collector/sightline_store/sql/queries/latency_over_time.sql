-- How did time to first token and total time move, as percentiles a bucket? Empty buckets are absent. Times to first token
-- are those of ttft_definition, the one that most requests of the window have (of equals the most exact); ttft_others of a
-- bucket have another.
SELECT
    bucket, requests, errors,
    if(arrayMax(window_counts) = 0, '', ['delivered', 'first_token', 'first_chunk'][shown]) AS ttft_definition,
    ttft_counts[shown] AS ttft_n,
    arraySum(ttft_counts) - ttft_n AS ttft_others,
    if(ttft_n = 0, NULL, ttft[shown][1]) AS ttft_p50_ms,
    if(ttft_n = 0, NULL, ttft[shown][2]) AS ttft_p95_ms,
    if(ttft_n = 0, NULL, ttft[shown][3]) AS ttft_p99_ms,
    total[1] AS total_p50_ms,
    total[2] AS total_p95_ms,
    total[3] AS total_p99_ms
FROM
(
    SELECT
        *,
        [sum(ttft_counts[1]) OVER (), sum(ttft_counts[2]) OVER (), sum(ttft_counts[3]) OVER ()] AS window_counts,
        indexOf(window_counts, arrayMax(window_counts)) AS shown
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
