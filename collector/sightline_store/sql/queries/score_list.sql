-- Which answers scored lowest (or failed to be judged) on one score? The judge's reasons beside them; failures last.
SELECT
    -- include: lowest_columns.sql
FROM
(
    SELECT
        -- include: lowest_scores.sql
    FROM scores
    WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Name = {name:String} AND TraceHash != cityHash64('')
    ORDER BY Timestamp DESC
    LIMIT 1 BY TraceHash
) AS s
INNER JOIN
(
    SELECT TraceHash, min(Timestamp) AS Asked, argMin(SpanId, Timestamp) AS SpanId, any(toString(Tenant)) AS tenant
    FROM requests
    WHERE
        -- include: of_requests.sql
        AND TraceHash IN (SELECT TraceHash FROM scores WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Name = {name:String} AND TraceHash != cityHash64(''))
    GROUP BY TraceHash
) AS r USING (TraceHash)
ORDER BY s.value IS NULL, s.value, asked_ms DESC, s.TraceHash
LIMIT {limit:UInt32}
