-- The question searched_requests, of facts of requests. Counted by an aggregate's condition, which looks at each row once: of a
-- WHERE each part filters all that was read before it.
SELECT countIf(is_asked) AS requests, countIf(is_asked AND Timestamp >= fromUnixTimestamp64Milli({reach_ms:Int64}, 'UTC')) AS read
FROM
(
    SELECT
        Timestamp,
        -- include: facts_of_window.sql
        AS is_asked
    FROM rollup_facts
    WHERE
        -- include: facts_hours.sql
)
