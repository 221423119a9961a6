-- The hours since a moment (epoch second) whose facts of requests are as the rows are now, or that have no rows, in order: their
-- starts, how many requests each has, and whether costs in it are at the prices that hold now.
SELECT groupArray(start) AS starts, groupArray(requests) AS requests, groupArray(is_priced) AS priced
FROM
(
    SELECT start, requests, made_of = 0 OR made_prices = now_prices AS is_priced
    FROM
    (
        -- include: facts_of.sql
    )
    WHERE made_of = now_of OR (made_of = 0 AND source_rows = 0)
    ORDER BY start
)
