-- The question searched_requests, of facts of requests.
SELECT count() AS requests, countIf(Timestamp >= fromUnixTimestamp64Milli({reach_ms:Int64}, 'UTC')) AS read
FROM rollup_facts
WHERE
    -- include: facts_of_window.sql
