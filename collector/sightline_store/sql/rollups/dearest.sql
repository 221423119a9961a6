-- The dearest requests of hours or days: all, and by each of the dimensions that can narrow a question. All of rows.
INSERT INTO rollup_dearest
SELECT
    {period:UInt32} AS Period, begin AS Start, {version:UInt64} AS Made,
    transform(toUnixTimestamp(begin), {starts:Array(UInt32)}, {made_of:Array(UInt64)}, toUInt64(0)) AS Of,
    By, Tenant, Route, Model,
    -- include: dearest_of_set.sql
    AS Dearest
FROM
(
    SELECT
        TraceHash, Timestamp, begin, set.1 AS By, set.2 AS Tenant, set.3 AS Route, set.4 AS Model,
        arrayFilter((cost, tenant) -> By != 'tenant' OR tenant IN ('', Tenant), calls.3, calls.1) AS counted
    FROM
    (
        SELECT
            TraceHash, Timestamp, calls,
            toDateTime(intDiv(toUnixTimestamp(Timestamp), {period:UInt32}) * {period:UInt32}, 'UTC') AS begin,
            arrayJoin(arrayConcat(
                [('all', '', '', ''), ('tenant', toString(Tenant), '', ''), ('route', '', toString(Route), '')],
                arrayMap(model -> ('model', '', '', model), arrayDistinct(calls.2)))) AS set
        FROM requests
        INNER JOIN
        (
            -- include: calls_of_traces.sql
            WHERE Timestamp >= fromUnixTimestamp64Second({from_s:Int64}) - INTERVAL 5 MINUTE
                AND Timestamp < fromUnixTimestamp64Second({to_s:Int64}) + INTERVAL 1 HOUR
            GROUP BY TraceHash
        ) AS priced USING (TraceHash)
        WHERE Timestamp >= fromUnixTimestamp64Second({from_s:Int64}) AND Timestamp < fromUnixTimestamp64Second({to_s:Int64})
            AND intDiv(toUnixTimestamp(Timestamp), {period:UInt32}) * {period:UInt32} IN {starts:Array(UInt32)}
    )
)
GROUP BY begin, By, Tenant, Route, Model
LIMIT {limit:UInt32} BY begin, By
UNION ALL
-- The row that says that there is a list.
SELECT {period:UInt32}, toDateTime(period.1, 'UTC'), {version:UInt64}, period.2, 'all', '', '', '', []
FROM
(
    SELECT arrayJoin(arrayZip({starts:Array(UInt32)}, {made_of:Array(UInt64)})) AS period
)
