-- The question traces, of rollups and of the rows that no rollup holds: how many requests there are, and where those of the page
-- are. Sorted by time they lie behind the beginning of the newest periods that have enough of them; sorted by how long they took
-- they are the longest of all periods, at most 50. Their rows are then read by their times.
WITH
    {limit:UInt32} + {offset:UInt32} AS enough,
    (
        SELECT (sum(n), arrayReverseSort(groupArray((Second, n))), arraySlice(arraySort(groupArrayArray(longest)), 1, enough))
        FROM
        (
            SELECT
                Second, if({only_errors:UInt8} = 1, Errors, Requests) AS n,
                multiIf({sort:String} = 'time', [], {sort:String} = 'ttft', LongestTtft, LongestTotal) AS longest
            FROM
            (
                -- include: rolled_lists.sql
            )
        )
    ) AS found,
    arrayFirst((period, n) -> n >= enough, found.2, arrayCumSum(found.2.2)).1 AS since_s
SELECT
    -- include: request_columns.sql
    found.1 AS matching
FROM requests
WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
    AND ({tenant:String} = '' OR Tenant = {tenant:String})
    AND ({route:String} = '' OR Route = {route:String})
    AND ({model:String} = '' OR {sort:String} != 'time' OR TraceHash IN (
        SELECT TraceHash FROM llm_calls
        WHERE Timestamp >= fromUnixTimestamp64Second(toInt64(since_s)) - INTERVAL 1 HOUR AND Timestamp < {to:DateTime64(3, 'UTC')} + INTERVAL 1 HOUR
            AND {model:String} != '' AND (ResponseModel = {model:String} OR (ResponseModel = '' AND RequestModel = {model:String}))))
    AND ({only_errors:UInt8} = 0 OR HttpStatus >= 500 OR
        -- include: failed.sql
    )
    AND ({sort:String} != 'time' OR Timestamp >= fromUnixTimestamp64Second(toInt64(since_s)))
    AND ({sort:String} = 'time' OR toStartOfFiveMinutes(Timestamp) IN (
        SELECT toStartOfFiveMinutes(fromUnixTimestamp64Nano(arrayJoin(found.3.4), 'UTC'))))
    AND ({sort:String} = 'time' OR TraceHash IN (found.3.3))
ORDER BY
    multiIf({sort:String} = 'ttft', -TtftMs, {sort:String} = 'total', -DurationMs, -toFloat64(started_ms)) ASC NULLS LAST,
    started_ms DESC, TraceHash
LIMIT {limit:UInt32} OFFSET {offset:UInt32}
