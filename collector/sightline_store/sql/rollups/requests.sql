-- Minutes of requests: all, and by each of the dimensions that can narrow a question. A model's are those with a call of it.
INSERT INTO rollup_requests
SELECT
    toUInt32(60) AS Period, minute AS Start, {version:UInt64} AS Version,
    multiIf(grouping(Tenant) = 0, 'tenant', grouping(Route) = 0, 'route', 'all') AS By, Tenant, Route,
    -- include: request_sums.sql
    , '' AS Model
FROM
(
    SELECT *, TraceHash, toDateTime(intDiv(toUnixTimestamp(Timestamp), 60) * 60, 'UTC') AS minute
    FROM requests
    WHERE
        -- include: rows_of_minutes.sql
)
GROUP BY GROUPING SETS ((minute), (minute, Tenant), (minute, Route))
LIMIT {limit:UInt32} BY minute, By
UNION ALL
SELECT
    toUInt32(60) AS Period, minute AS Start, {version:UInt64} AS Version, 'model' AS By, '' AS Tenant, '' AS Route,
    -- include: request_sums.sql
    , Model
FROM
(
    SELECT * EXCEPT (Tenant, Route), TraceHash, toDateTime(intDiv(toUnixTimestamp(Timestamp), 60) * 60, 'UTC') AS minute
    FROM requests
    INNER JOIN
    (
        -- include: models_of_traces.sql
    ) AS of_calls USING (TraceHash)
    WHERE
        -- include: rows_of_minutes.sql
)
GROUP BY minute, Model
LIMIT {limit:UInt32} BY minute
