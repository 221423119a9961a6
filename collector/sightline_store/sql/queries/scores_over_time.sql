-- What did answers score, a score name and bucket of the time they were asked? bucket_s = 0 answers for the whole window.
-- The newest score of a name on an answer counts. failed: the judge gave no value; it is in no mean. What drift runs write is no score.
SELECT
    if({bucket_s:UInt32} = 0, 0, intDiv(toUnixTimestamp(Asked), greatest({bucket_s:UInt32}, 1)) * {bucket_s:UInt32}) AS bucket,
    name,
    count(value) AS n,
    countIf(value IS NULL) AS failed,
    avgOrNull(value) AS mean,
    if(n > 1, stddevSampOrNull(value), NULL) AS sd,
    countIf(value NOT IN (0, 1)) = 0 AS is_binary,
    groupUniqArrayIf(4)(judge, judge != '') AS judges,
    groupUniqArrayIf(4)(note, note != '') AS notes
FROM
(
    SELECT TraceHash, toString(Name) AS name, Value AS value, trimRight(concat(Judge, ' ', JudgeVersion)) AS judge, toString(Note) AS note
    FROM scores
    WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND TraceHash != cityHash64('') AND NOT startsWith(Name, 'drift.')
    ORDER BY Timestamp DESC
    LIMIT 1 BY TraceHash, Name
) AS s
INNER JOIN
(
    SELECT TraceHash, min(Timestamp) AS Asked
    FROM requests
    WHERE
        -- include: of_requests.sql
        AND TraceHash IN (
            SELECT TraceHash FROM scores
            WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND TraceHash != cityHash64('') AND NOT startsWith(Name, 'drift.'))
    GROUP BY TraceHash
) AS r USING (TraceHash)
GROUP BY bucket, name
ORDER BY bucket, name
