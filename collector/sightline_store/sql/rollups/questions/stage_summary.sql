-- The question stage_summary, of rollups and of the rows that no rollup holds.
WITH
    (
        SELECT groupArray((stage, spans, errors, flagged, quantiles, slowest)) FROM
        (
            SELECT
                toString(Stage) AS stage,
                sum(Spans) AS spans,
                sum(Errors) AS errors,
                sum(FlaggedSpans) AS flagged,
                quantilesTDigestMerge(0.5, 0.95, 0.99)(Duration) AS quantiles,
                argMaxMerge(Slowest) AS slowest
            FROM
            (
                -- include: rolled_stages.sql
            )
            GROUP BY Stage
        )
    ) AS summaries
-- include: summed_stages.sql
