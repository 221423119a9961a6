-- The question overview, of rollups and of the rows that no rollup holds. Scores are read as rows.
SELECT r.* EXCEPT (ttft_counts, ttft, total), m.*, s.*
FROM
(
    SELECT
        sum(Requests) AS requests,
        sum(Errors) AS errors,
        [sum(DeliveredCount), sum(FirstTokenCount), sum(FirstChunkCount)] AS ttft_counts,
        arrayMax(ttft_counts) AS ttft_n,
        if(ttft_n = 0, '', ['delivered', 'first_token', 'first_chunk'][indexOf(ttft_counts, ttft_n)]) AS ttft_definition,
        arraySum(ttft_counts) - ttft_n AS ttft_others,
        [
            quantilesTDigestMerge(0.5, 0.95, 0.99)(Delivered),
            quantilesTDigestMerge(0.5, 0.95, 0.99)(FirstToken),
            quantilesTDigestMerge(0.5, 0.95, 0.99)(FirstChunk)
        ][indexOf(ttft_counts, ttft_n)] AS ttft,
        quantilesTDigestMerge(0.5, 0.95, 0.99)(Total) AS total,
        if(ttft_n = 0, NULL, ttft[1]) AS ttft_p50_ms,
        if(ttft_n = 0, NULL, ttft[2]) AS ttft_p95_ms,
        if(requests = 0, NULL, total[1]) AS total_p50_ms,
        if(requests = 0, NULL, total[2]) AS total_p95_ms
    FROM
    (
        -- include: rolled_requests.sql
    )
) AS r
CROSS JOIN
(
    SELECT
        sum(Calls) AS llm_calls,
        sum(Calls) - sum(priced) AS unpriced_calls,
        if(sum(InputCount) = 0, NULL, sum(InputSum)) AS input_tokens,
        if(sum(OutputCount) = 0, NULL, sum(OutputSum)) AS output_tokens,
        if(sum(priced) = 0, NULL, sum(cost)) AS cost_usd
    FROM
    (
        -- include: rolled_calls.sql
    )
) AS m
CROSS JOIN
(
    -- include: overview_scores.sql
) AS s
