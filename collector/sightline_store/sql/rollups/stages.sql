-- Minutes of stages: all, by tenant, and by the routes and models of their traces.
INSERT INTO rollup_stages
SELECT
    toUInt32(60) AS Period, minute AS Start, {version:UInt64} AS Version,
    if(grouping(Tenant) = 0, 'tenant', 'all') AS By, Tenant, Stage,
    -- include: stage_sums.sql
    , '' AS Route, '' AS Model
FROM
(
    SELECT *, TraceHash, toDateTime(intDiv(toUnixTimestamp(Timestamp), 60) * 60, 'UTC') AS minute
    FROM stages
    WHERE
        -- include: rows_of_minutes.sql
)
GROUP BY GROUPING SETS (
    (minute, Stage),
    (minute, Tenant, Stage))
LIMIT {limit:UInt32} BY minute, By
UNION ALL
SELECT
    toUInt32(60) AS Period, minute AS Start, {version:UInt64} AS Version, 'route' AS By, '' AS Tenant, Stage,
    -- include: stage_sums.sql
    , Route, '' AS Model
FROM
(
    SELECT * EXCEPT (Tenant), TraceHash, toDateTime(intDiv(toUnixTimestamp(Timestamp), 60) * 60, 'UTC') AS minute
    FROM stages
    INNER JOIN
    (
        -- include: routes_of_traces.sql
    ) AS of_requests USING (TraceHash)
    WHERE
        -- include: rows_of_minutes.sql
)
GROUP BY minute, Route, Stage
LIMIT {limit:UInt32} BY minute
UNION ALL
SELECT
    toUInt32(60) AS Period, minute AS Start, {version:UInt64} AS Version, 'model' AS By, '' AS Tenant, Stage,
    -- include: stage_sums.sql
    , '' AS Route, Model
FROM
(
    SELECT * EXCEPT (Tenant), TraceHash, toDateTime(intDiv(toUnixTimestamp(Timestamp), 60) * 60, 'UTC') AS minute
    FROM stages
    INNER JOIN
    (
        -- include: models_of_traces.sql
    ) AS of_calls USING (TraceHash)
    WHERE
        -- include: rows_of_minutes.sql
)
GROUP BY minute, Model, Stage
LIMIT {limit:UInt32} BY minute
