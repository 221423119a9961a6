-- Hours out of minutes, or days out of hours.
INSERT INTO rollup_requests
SELECT
    {period:UInt32}, begin, {version:UInt64}, By, Tenant, Route, sum(Requests), sum(Errors), sum(DeliveredCount),
    sum(FirstTokenCount), sum(FirstChunkCount),
    quantilesTDigestMergeState(0.5, 0.95, 0.99)(Delivered), quantilesTDigestMergeState(0.5, 0.95, 0.99)(FirstToken),
    quantilesTDigestMergeState(0.5, 0.95, 0.99)(FirstChunk), quantilesTDigestMergeState(0.5, 0.95, 0.99)(Total), Model
FROM
-- include: shorter_periods.sql
GROUP BY begin, By, Tenant, Route, Model
LIMIT {limit:UInt32} BY begin, By
