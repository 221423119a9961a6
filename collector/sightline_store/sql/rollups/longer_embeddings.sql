-- Hours out of minutes, or days out of hours.
INSERT INTO rollup_embeddings
SELECT
    {period:UInt32}, begin, {version:UInt64}, By, Tenant, Model, PriceKey, InputStep, Shape, sum(Calls), sum(InputCount),
    sum(ToldCount), sum(InputSum), sum(DurationSum), sum(ToldSum), Route
FROM
-- include: shorter_periods.sql
GROUP BY begin, By, Tenant, Route, Model, PriceKey, InputStep, Shape
LIMIT {limit:UInt32} BY begin, By
