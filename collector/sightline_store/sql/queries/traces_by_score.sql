-- Which answers scored lowest, or highest, on one score? One page of their requests, with the columns of `traces`.
-- A trace's newest score of that name counts, for its first request; one that no judge could judge is not among them.
WITH
    -- condition: hits
    if({descending:UInt8} = 1, -1, 1) AS direction,
    (
        SELECT groupArray((asked, trace, matching))
        FROM
        (
            SELECT asked, trace, count() OVER () AS matching
            FROM
            (
                SELECT TraceHash AS trace, argMax(ifNull(Value, nan), Timestamp) AS score
                FROM scores
                WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Name = {name:String}
                GROUP BY trace
                HAVING NOT isNaN(score)
            ) AS judged
            INNER JOIN
            (
                SELECT TraceHash AS trace, min(Timestamp) AS asked
                FROM requests
                WHERE
                    -- include: matching_requests.sql
                    AND TraceHash IN (
                        SELECT TraceHash FROM scores WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Name = {name:String})
                GROUP BY trace
            ) AS matched USING (trace)
            ORDER BY score * direction, toUnixTimestamp64Milli(asked) DESC, trace
            LIMIT {limit:UInt32} OFFSET {offset:UInt32}
        )
    ) AS page,
    transform(TraceHash, page.2, arrayEnumerate(page.2), 0) AS place
SELECT
    -- include: request_columns.sql
    page.3[1] AS matching
FROM requests
WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
    AND place > 0 AND Timestamp = page.1[place]
ORDER BY place
