-- Hours out of minutes, or days out of hours.
INSERT INTO rollup_stages
SELECT
    {period:UInt32}, begin, {version:UInt64}, By, Tenant, Stage, sum(Spans), sum(Errors), sum(FlaggedSpans),
    quantilesTDigestMergeState(0.5, 0.95, 0.99)(Duration), argMaxMergeState(Slowest), Route, Model
FROM
-- include: shorter_periods.sql
GROUP BY begin, By, Tenant, Route, Model, Stage
LIMIT {limit:UInt32} BY begin, By
