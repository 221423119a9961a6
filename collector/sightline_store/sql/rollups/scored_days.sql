-- The days of the requests that the scores of some days belong to: a row a pair of both.
SELECT DISTINCT toDate(r.Timestamp, 'UTC') AS day, s.of_day AS score_day
FROM requests AS r
INNER JOIN
(
    SELECT DISTINCT TraceHash, toDate(Timestamp, 'UTC') AS of_day
    FROM scores
    WHERE toDate(Timestamp, 'UTC') IN {days:Array(String)} AND TraceHash != cityHash64('') AND NOT startsWith(Name, 'drift.')
) AS s ON r.TraceHash = s.TraceHash
WHERE toDate(r.Timestamp, 'UTC') <= s.of_day
