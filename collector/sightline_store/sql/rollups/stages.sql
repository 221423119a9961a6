-- Minutes of stages, all and by tenant.
INSERT INTO rollup_stages
SELECT
    toUInt32(60) AS Period, minute AS Start, {version:UInt64} AS Version,
    if(grouping(Tenant) = 0, 'tenant', 'all') AS By, Tenant, Stage,
    -- include: stage_sums.sql
FROM
(
    SELECT *, TraceHash, toDateTime(intDiv(toUnixTimestamp(Timestamp), 60) * 60, 'UTC') AS minute
    FROM stages
    WHERE
        -- include: rows_of_minutes.sql
)
GROUP BY GROUPING SETS ((minute, Stage), (minute, Tenant, Stage))
LIMIT {limit:UInt32} BY minute, By
