-- The question score_list, of rollups and of the rows that no rollup holds: the lowest answers are among the lowest of the periods.
WITH
    (
        SELECT arraySlice(arraySort(groupArrayArray(Lowest)), 1, {limit:UInt32})
        FROM
        (
            -- include: rolled_scores.sql
        )
        WHERE Name = {name:String}
    ) AS lowest
SELECT
    -- include: lowest_columns.sql
FROM
(
    SELECT
        -- include: lowest_scores.sql
    FROM scores
    WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Name = {name:String} AND TraceHash IN (lowest.4)
    ORDER BY Timestamp DESC
    LIMIT 1 BY TraceHash
) AS s
INNER JOIN
(
    SELECT TraceHash, min(Timestamp) AS Asked, argMin(SpanId, Timestamp) AS SpanId, any(toString(Tenant)) AS tenant
    FROM requests
    WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
        AND ({tenant:String} = '' OR Tenant = {tenant:String})
        AND ({route:String} = '' OR Route = {route:String})
        AND toStartOfFiveMinutes(Timestamp) IN (SELECT toStartOfFiveMinutes(fromUnixTimestamp64Nano(arrayJoin(lowest.5), 'UTC')))
        AND TraceHash IN (lowest.4)
    GROUP BY TraceHash
) AS r USING (TraceHash)
ORDER BY s.value IS NULL, s.value, asked_ms DESC, s.TraceHash
LIMIT {limit:UInt32}
