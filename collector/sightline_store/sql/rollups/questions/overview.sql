-- The question overview, of rollups and of the rows that no rollup holds.
SELECT r.* EXCEPT (ttft_counts, ttft, total), m.*, s.*
FROM
(
    SELECT
        sum(Requests) AS requests,
        sum(Errors) AS errors,
        [sum(DeliveredCount), sum(FirstTokenCount), sum(FirstChunkCount)] AS ttft_counts,
        -- include: overview_ttft.sql
        [
            quantilesTDigestMerge(0.5, 0.95, 0.99)(Delivered),
            quantilesTDigestMerge(0.5, 0.95, 0.99)(FirstToken),
            quantilesTDigestMerge(0.5, 0.95, 0.99)(FirstChunk)
        ][indexOf(ttft_counts, ttft_n)] AS ttft,
        quantilesTDigestMerge(0.5, 0.95, 0.99)(Total) AS total,
        -- include: overview_times.sql
    FROM
    (
        -- include: rolled_requests.sql
    )
) AS r
CROSS JOIN
(
    SELECT
        sum(Calls) AS llm_calls,
        -- include: rolled_spending.sql
    FROM
    (
        -- include: rolled_calls.sql
    )
) AS m
CROSS JOIN
(
    -- include: rolled_overview_scores.sql
) AS s
