-- How long does each stage take and how often does it fail or flag? One row a stage.
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
-- include: summed_stages.sql
