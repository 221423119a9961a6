-- What the scores of the requests of each minute of a day are, as prints.sql says it of other tables. A score counts in the minutes
-- of all requests of its trace.
SELECT minute, count() AS n, sum(cityHash64(toUnixTimestamp64Micro(StoredAt))) AS print
FROM
(
    SELECT TraceHash, StoredAt FROM scores
    WHERE Timestamp >= fromUnixTimestamp64Second({from_s:Int64}) AND TraceHash != cityHash64('') AND NOT startsWith(Name, 'drift.')
) AS s
INNER JOIN
(
    SELECT DISTINCT TraceHash, toUInt32(intDiv(toUnixTimestamp(Timestamp), 60) * 60) AS minute
    FROM requests
    WHERE Timestamp >= fromUnixTimestamp64Second({from_s:Int64}) AND Timestamp < fromUnixTimestamp64Second({to_s:Int64})
) AS r USING (TraceHash)
GROUP BY minute
