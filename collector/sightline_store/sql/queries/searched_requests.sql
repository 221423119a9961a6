-- In how many requests are the words and attributes of a search looked for? requests: those of the window that hold its other
-- terms; read: the newest of them, which are looked at.
SELECT
    count() AS requests,
    least({max_read:UInt32}, countIf(Timestamp >=
        -- include: search_reach.sql
    )) AS read
FROM requests
WHERE
    -- include: matching_requests.sql
