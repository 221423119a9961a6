-- What the requests and calls in the first and the last hour of some days are, as prints.sql says it of minutes.
SELECT
    toDate(Timestamp, 'UTC') AS day,
    sumIf(cityHash64(toUnixTimestamp64Micro(StoredAt)), toHour(Timestamp, 'UTC') = 0) AS first_hour,
    sumIf(cityHash64(toUnixTimestamp64Micro(StoredAt)), toHour(Timestamp, 'UTC') = 23) AS last_hour
FROM
(
    SELECT Timestamp, StoredAt FROM requests
    UNION ALL
    SELECT Timestamp, StoredAt FROM llm_calls
)
WHERE toDate(Timestamp, 'UTC') IN {days:Array(String)} AND toHour(Timestamp, 'UTC') IN (0, 23)
GROUP BY day
