-- The question ttft_over_time, which counts requests by rollups and by the rows that no rollup holds.
WITH
    (
        SELECT (requests, ttft_n, ttft_definition, ttft_others)::Tuple(requests UInt64, ttft_n UInt64, ttft_definition String, ttft_others UInt64)
        FROM
        (
            SELECT
                [sum(DeliveredCount), sum(FirstTokenCount), sum(FirstChunkCount)] AS ttft_counts,
                -- include: overview_ttft.sql
                sum(Requests) AS requests
            FROM
            (
                -- include: rolled_requests.sql
            )
        )
    ) AS counted
-- include: ttft_stages.sql
