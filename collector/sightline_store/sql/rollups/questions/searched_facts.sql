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
        indexHint(
            Start >= toStartOfHour({from:DateTime64(3, 'UTC')}) AND Start < {to:DateTime64(3, 'UTC')}
            AND Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
            AND ({tenant:String} = '' OR Tenant = {tenant:String}))
)
