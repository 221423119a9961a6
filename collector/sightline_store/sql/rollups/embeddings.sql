-- Minutes of embedding calls, all and by tenant, by what decides what they cost.
INSERT INTO rollup_embeddings
SELECT
    toUInt32(60) AS Period, minute AS Start, {version:UInt64} AS Version,
    if(grouping(Tenant) = 0, 'tenant', 'all') AS By, Tenant, Model, PriceKey, InputStep, Shape,
    -- include: embedding_sums.sql
FROM
(
    SELECT *, PriceKey, toDateTime(intDiv(toUnixTimestamp(Timestamp), 60) * 60, 'UTC') AS minute,
        -- include: embedding_terms.sql
    FROM embeddings
    WHERE
        -- include: rows_of_minutes.sql
)
GROUP BY GROUPING SETS ((minute, Model, PriceKey, InputStep, Shape), (minute, Tenant, Model, PriceKey, InputStep, Shape))
LIMIT {limit:UInt32} BY minute, By
