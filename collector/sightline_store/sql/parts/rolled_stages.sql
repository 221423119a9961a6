-- The stages of the window as sums: rollups of what is over, rows of the rest.
SELECT Stage, Spans, Errors, FlaggedSpans, Duration, Slowest
FROM rollup_stages
WHERE
    -- include: rolled_periods.sql
    AND Route = {route:String} AND Model = {model:String}
UNION ALL
SELECT
    Stage,
    -- include: stage_sums.sql
FROM stages
WHERE
    -- include: stages_beside_rollups.sql
GROUP BY Stage
