-- In how many requests are the words and attributes of a search looked for? requests: those of the window that hold its other
-- terms; read: those of them within the reach of the search (epoch ms, search_reach.sql), of which the newest are looked at.
SELECT count() AS requests, countIf(Timestamp >= fromUnixTimestamp64Milli({reach_ms:Int64}, 'UTC')) AS read
FROM requests
WHERE
    -- include: matching_requests.sql
