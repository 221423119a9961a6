-- The question latency_over_time, of rollups and of the rows that no rollup holds.
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
