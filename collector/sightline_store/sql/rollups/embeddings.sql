-- Minutes of embedding calls, all, by tenant and by the routes of their traces, by what decides what they cost.
INSERT INTO rollup_embeddings
SELECT
    toUInt32(60) AS Period, minute AS Start, {version:UInt64} AS Version,
    if(grouping(Tenant) = 0, 'tenant', 'all') AS By, Tenant, Model, PriceKey, InputStep, Shape,
    -- include: embedding_sums.sql
    , '' AS Route
FROM
(
    SELECT *, PriceKey, toDateTime(intDiv(toUnixTimestamp(Timestamp), 60) * 60, 'UTC') AS minute,
        -- include: embedding_terms.sql
    FROM embeddings
    WHERE
        -- include: rows_of_minutes.sql
)
GROUP BY GROUPING SETS (
    (minute, Model, PriceKey, InputStep, Shape),
    (minute, Tenant, Model, PriceKey, InputStep, Shape))
LIMIT {limit:UInt32} BY minute, By
UNION ALL
SELECT
    toUInt32(60) AS Period, minute AS Start, {version:UInt64} AS Version, 'route' AS By, '' AS Tenant, Model, PriceKey, InputStep, Shape,
    -- include: embedding_sums.sql
    , Route
FROM
(
    SELECT * EXCEPT (Tenant), PriceKey, toDateTime(intDiv(toUnixTimestamp(Timestamp), 60) * 60, 'UTC') AS minute,
        -- include: embedding_terms.sql
    FROM embeddings
    INNER JOIN
    (
        -- include: routes_of_traces.sql
    ) AS of_requests USING (TraceHash)
    WHERE
        -- include: rows_of_minutes.sql
)
GROUP BY minute, Route, Model, PriceKey, InputStep, Shape
LIMIT {limit:UInt32} BY minute
