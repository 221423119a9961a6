-- The requests of the window as sums: rollups of what is over, rows of the rest.
SELECT toUnixTimestamp(Start) AS Second, Requests, Errors, DeliveredCount, FirstTokenCount, FirstChunkCount, Delivered, FirstToken, FirstChunk, Total
FROM rollup_requests
WHERE
    -- include: rolled_periods.sql
    AND Route = {route:String} AND Model = {model:String}
UNION ALL
SELECT
    intDiv(toUnixTimestamp(Timestamp), 60) * 60 AS Second,
    -- include: request_sums.sql
FROM requests
WHERE
    -- include: requests_beside_rollups.sql
GROUP BY Second
