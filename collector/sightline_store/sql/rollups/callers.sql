-- Minutes, hours or days: how many traces the calls of each model are of, all, by tenant and by the routes of the traces, and those of
-- each tenant. All of rows.
INSERT INTO rollup_callers
SELECT
    {period:UInt32} AS Period, begin AS Start, {version:UInt64} AS Version,
    if(grouping(Tenant) = 0, 'tenant', 'all') AS By, if(grouping(Model) = 0, 'model', 'tenant') AS Of, Tenant, Model,
    uniqExact(TraceHash) AS Traces, '' AS Route
FROM
(
    SELECT Tenant, TraceHash, if(ResponseModel != '', ResponseModel, RequestModel) AS Model,
        toDateTime(intDiv(toUnixTimestamp(Timestamp), {period:UInt32}) * {period:UInt32}, 'UTC') AS begin
    FROM llm_calls
    WHERE Timestamp >= fromUnixTimestamp64Second({from_s:Int64}) AND Timestamp < fromUnixTimestamp64Second({to_s:Int64})
        AND intDiv(toUnixTimestamp(Timestamp), {period:UInt32}) * {period:UInt32} IN {starts:Array(UInt32)}
)
GROUP BY GROUPING SETS ((begin, Model), (begin, Tenant, Model), (begin, Tenant))
LIMIT {limit:UInt32} BY begin, By
UNION ALL
SELECT
    {period:UInt32} AS Period, begin AS Start, {version:UInt64} AS Version,
    'route' AS By, 'model' AS Of, '' AS Tenant, Model, uniqExact(TraceHash) AS Traces, Route
FROM
(
    SELECT Route, TraceHash, if(ResponseModel != '', ResponseModel, RequestModel) AS Model,
        toDateTime(intDiv(toUnixTimestamp(Timestamp), {period:UInt32}) * {period:UInt32}, 'UTC') AS begin
    FROM llm_calls
    INNER JOIN
    (
        -- include: routes_of_traces.sql
    ) AS of_requests USING (TraceHash)
    WHERE Timestamp >= fromUnixTimestamp64Second({from_s:Int64}) AND Timestamp < fromUnixTimestamp64Second({to_s:Int64})
        AND intDiv(toUnixTimestamp(Timestamp), {period:UInt32}) * {period:UInt32} IN {starts:Array(UInt32)}
)
GROUP BY begin, Route, Model
LIMIT {limit:UInt32} BY begin
