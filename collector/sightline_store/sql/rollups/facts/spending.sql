-- What the model calls of some hours spent (sql/tables/030_spending_of_hours.sql), all of rows. A trace's routes are those of its
-- requests, which may have begun an hour before the call.
INSERT INTO rollup_spending
SELECT
    toUInt32(3600) AS Period, begin AS Start,
    toString(transform(toUnixTimestamp(begin), {starts:Array(UInt32)}, {made:Array(UInt64)}, toUInt64(0))) AS Made,
    Tenant, UserId, SessionId, model AS Model, routes AS Routes,
    -- include: spending_sums.sql
FROM
(
    SELECT
        *, if(ResponseModel != '', ResponseModel, RequestModel) AS model, toStartOfHour(toDateTime(Timestamp, 'UTC')) AS begin,
        TraceHash IN (
            SELECT TraceHash
            FROM llm_calls
            WHERE Timestamp >= fromUnixTimestamp64Second({from_s:Int64}) - INTERVAL 1 HOUR
                AND Timestamp < fromUnixTimestamp64Second({to_s:Int64}) + INTERVAL 1 HOUR
            GROUP BY TraceHash
            HAVING uniqExact(
                toStartOfHour(toDateTime(Timestamp, 'UTC')), Tenant, UserId, SessionId,
                if(ResponseModel != '', ResponseModel, RequestModel)) > 1) AS is_shared
    FROM llm_calls_priced
    WHERE Timestamp >= fromUnixTimestamp64Second({from_s:Int64}) AND Timestamp < fromUnixTimestamp64Second({to_s:Int64})
        AND toUnixTimestamp(begin) IN {starts:Array(UInt32)}
) AS called
LEFT ANY JOIN
(
    SELECT TraceHash, arraySort(groupUniqArray(toString(Route))) AS routes
    FROM requests
    WHERE Timestamp >= fromUnixTimestamp64Second({from_s:Int64}) - INTERVAL 1 HOUR
        AND Timestamp < fromUnixTimestamp64Second({to_s:Int64}) + INTERVAL 5 MINUTE
    GROUP BY TraceHash
) AS asked USING (TraceHash)
GROUP BY Start, Made, Tenant, UserId, SessionId, Model, Routes
