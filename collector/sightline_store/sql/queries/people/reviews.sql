-- What did people say who reviewed answers? The newest verdict of each reviewer on each answer of the window.
SELECT
    TraceId AS trace_id, toString(Judge) AS reviewer,
    tupleElement(argMax(tuple(Value), Timestamp), 1) AS value,
    argMax(toString(Label), Timestamp) AS label,
    argMax(Explanation, Timestamp) AS comment,
    argMax(toString(Note), Timestamp) AS note,
    toUnixTimestamp64Milli(max(Timestamp)) AS given_ms
FROM scores
WHERE Name = 'review' AND Source = 'human' AND Timestamp >= {from:DateTime64(3, 'UTC')}
    AND TraceHash IN (SELECT TraceHash FROM requests WHERE
        -- include: review_given.sql
        AND
        -- include: of_requests.sql
    )
GROUP BY trace_id, reviewer
ORDER BY given_ms DESC
LIMIT {limit:UInt32}
