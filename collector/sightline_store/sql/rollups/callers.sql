-- Minutes, hours or days: how many traces the calls of each model and tenant are of. All of rows.
INSERT INTO rollup_callers
SELECT
    {period:UInt32} AS Period, begin AS Start, {version:UInt64} AS Version,
    if(grouping(Tenant) = 0, 'tenant', 'all') AS By, if(grouping(Model) = 0, 'model', 'tenant') AS Of, Tenant, Model,
    uniqExact(TraceHash) AS Traces
FROM
(
    SELECT
        Tenant, TraceHash, if(ResponseModel != '', ResponseModel, RequestModel) AS Model,
        toDateTime(intDiv(toUnixTimestamp(Timestamp), {period:UInt32}) * {period:UInt32}, 'UTC') AS begin
    FROM llm_calls
    WHERE Timestamp >= fromUnixTimestamp64Second({from_s:Int64}) AND Timestamp < fromUnixTimestamp64Second({to_s:Int64})
        AND intDiv(toUnixTimestamp(Timestamp), {period:UInt32}) * {period:UInt32} IN {starts:Array(UInt32)}
)
GROUP BY GROUPING SETS ((begin, Model), (begin, Tenant, Model), (begin, Tenant))
LIMIT {limit:UInt32} BY begin, By
