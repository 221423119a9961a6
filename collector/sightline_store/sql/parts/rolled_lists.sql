-- How many requests each period of the window has and which took longest: rollups of what is over, rows of the rest.
SELECT toUnixTimestamp(Start) AS Second, Requests, Errors, LongestTotal, LongestTtft
FROM rollup_requests
WHERE
    -- include: rolled_periods.sql
    AND Route = {route:String} AND Model = {model:String}
UNION ALL
SELECT
    intDiv(toUnixTimestamp(Timestamp), 60) * 60 AS Second,
    -- include: request_counts.sql
    -- include: request_longest.sql
FROM requests
WHERE
    -- include: requests_beside_rollups.sql
GROUP BY Second
