-- How long does each stage take and how often does it fail or flag? One row a stage.
-- The ids of the slowest are looked up afterwards, where they stand: reading all ids is a third of the work.
WITH
    (
        SELECT groupArray((stage, spans, errors, flagged, quantiles, slowest)) FROM
        (
            SELECT
                toString(Stage) AS stage,
                count() AS spans,
                countIf(
                    -- include: failed.sql
                ) AS errors,
                countIf(Flagged) AS flagged,
                quantilesExact(0.5, 0.95, 0.99)(DurationMs) AS quantiles,
                argMax((Timestamp, TraceHash), DurationMs) AS slowest
            FROM stages
            WHERE
                -- include: of_stages.sql
            GROUP BY Stage
        )
    ) AS summaries
SELECT
    summary.1 AS stage,
    summary.2 AS spans,
    summary.3 AS errors,
    summary.4 AS flagged,
    summary.5[1] AS p50_ms,
    summary.5[2] AS p95_ms,
    summary.5[3] AS p99_ms,
    named.TraceId AS slowest_trace_id
FROM (SELECT arrayJoin(summaries) AS summary) AS summed
LEFT ANY JOIN
(
    SELECT Timestamp, TraceHash, TraceId FROM stages WHERE Timestamp IN summaries.6.1 AND TraceHash IN summaries.6.2
) AS named ON named.TraceHash = summary.6.2
ORDER BY p95_ms DESC
