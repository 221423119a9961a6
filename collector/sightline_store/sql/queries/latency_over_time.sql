-- How did time to first token and total time move, as percentiles a bucket? Empty buckets are absent.
SELECT * EXCEPT (ttft, total)
FROM
(
SELECT
    intDiv(toUnixTimestamp(Timestamp), {bucket_s:UInt32}) * {bucket_s:UInt32} AS bucket,
    count() AS requests,
    countIf(StatusCode = 'Error' OR HttpStatus >= 500) AS errors,
    count(TtftMs) AS ttft_n,
    quantilesExact(0.5, 0.95, 0.99)(TtftMs) AS ttft,
    quantilesExact(0.5, 0.95, 0.99)(DurationMs) AS total,
    if(ttft_n = 0, NULL, ttft[1]) AS ttft_p50_ms,
    if(ttft_n = 0, NULL, ttft[2]) AS ttft_p95_ms,
    if(ttft_n = 0, NULL, ttft[3]) AS ttft_p99_ms,
    total[1] AS total_p50_ms,
    total[2] AS total_p95_ms,
    total[3] AS total_p99_ms
FROM requests
WHERE
    -- include: of_requests.sql
GROUP BY bucket
)
ORDER BY bucket
