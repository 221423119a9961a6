-- The facts of requests of some hours (sql/tables/029_facts_of_requests.sql), all of rows.
INSERT INTO rollup_facts
SELECT
    toUInt32(3600) AS Period, begin AS Start, transform(toUnixTimestamp(begin), {starts:Array(UInt32)}, {made:Array(UInt64)}, toUInt64(0)) AS Made,
    whose AS Whose, Timestamp, TraceHash, ServiceName, Route, Tenant, UserId, SessionId,
    HttpStatus >= 500 OR
        -- include: failed.sql
    AS Failed,
    DurationMs, TtftMs,
    arrayDistinct(arrayFilter(model -> model != '', arrayMap(call -> call.2, counted))) AS Models,
    arrayDistinct(arrayMap(stage -> stage.2, passed)) AS Stages,
    if(empty(counted), nan, arraySum(arrayMap(call -> call.3, counted))) AS CostUsd,
    if(arrayExists(call -> call.5, counted), arraySum(arrayMap(call -> call.4, counted)), NULL) AS Tokens,
    names, amounts
FROM
(
    SELECT
        *,
        arrayJoin(if(Tenant != '' AND arrayExists(named -> named != '' AND named != tenant, arrayConcat(calls.1, stages.1)), [1, 2], [0])) AS whose,
        arrayFilter(call -> whose != 2 OR call.1 = '' OR call.1 = tenant, calls) AS counted,
        arrayFilter(stage -> whose != 2 OR stage.1 = '' OR stage.1 = tenant, stages) AS passed
    FROM
    (
        SELECT *, TraceHash, toString(Tenant) AS tenant, toStartOfHour(toDateTime(Timestamp, 'UTC')) AS begin
        FROM requests
        WHERE Timestamp >= fromUnixTimestamp64Second({from_s:Int64}) AND Timestamp < fromUnixTimestamp64Second({to_s:Int64})
            AND toUnixTimestamp(begin) IN {starts:Array(UInt32)}
    ) AS asked
    LEFT ANY JOIN
    (
        SELECT TraceHash, groupArray((
            toString(Tenant), toString(if(ResponseModel != '', ResponseModel, RequestModel)), ifNull(CostUsd, nan),
            toUInt64(ifNull(InputTokens, 0)) + ifNull(OutputTokens, 0), InputTokens IS NOT NULL OR OutputTokens IS NOT NULL)) AS calls
        FROM llm_calls_priced
        WHERE
            -- include: around_hours.sql
        GROUP BY TraceHash
    ) AS called USING (TraceHash)
    LEFT ANY JOIN
    (
        SELECT TraceHash, groupUniqArray((toString(Tenant), toString(Stage))) AS stages
        FROM stages
        WHERE
            -- include: around_hours.sql
        GROUP BY TraceHash
    ) AS staged USING (TraceHash)
    LEFT ANY JOIN
    (
        SELECT TraceHash, groupArray(name) AS names, groupArray(assumeNotNull(amount)) AS amounts
        FROM
        (
            SELECT TraceHash, toString(Name) AS name, tupleElement(argMax(tuple(Value), Timestamp), 1) AS amount
            FROM scores
            WHERE Timestamp >= fromUnixTimestamp64Second({from_s:Int64}) AND TraceHash != cityHash64('')
                AND TraceHash IN (
                    SELECT TraceHash FROM requests
                    WHERE Timestamp >= fromUnixTimestamp64Second({from_s:Int64}) AND Timestamp < fromUnixTimestamp64Second({to_s:Int64}))
            GROUP BY TraceHash, Name
            HAVING amount IS NOT NULL
        )
        GROUP BY TraceHash
    ) AS scored USING (TraceHash)
)
