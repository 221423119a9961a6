-- The question latency_over_time, of rollups and of the rows that no rollup holds.
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
            intDiv(Second, {bucket_s:UInt32}) * {bucket_s:UInt32} AS bucket,
            sum(Requests) AS requests,
            sum(Errors) AS errors,
            [sum(DeliveredCount), sum(FirstTokenCount), sum(FirstChunkCount)] AS ttft_counts,
            [
                quantilesTDigestMerge(0.5, 0.95, 0.99)(Delivered),
                quantilesTDigestMerge(0.5, 0.95, 0.99)(FirstToken),
                quantilesTDigestMerge(0.5, 0.95, 0.99)(FirstChunk)
            ] AS ttft,
            quantilesTDigestMerge(0.5, 0.95, 0.99)(Total) AS total
        FROM
        (
            -- include: rolled_requests.sql
        )
        GROUP BY bucket
    )
)
ORDER BY bucket
