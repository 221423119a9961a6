-- The hours since a moment (epoch second) that have no facts of requests as the rows and the prices are now, the newest first.
SELECT start, source_rows, now_of, now_prices
FROM
(
    -- include: facts_of.sql
)
WHERE (made_of != now_of OR made_prices != now_prices) AND (made_of != 0 OR source_rows > 0)
ORDER BY start DESC
