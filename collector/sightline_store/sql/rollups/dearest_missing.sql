-- The hours and days that count and have no list of the dearest requests at the prices that hold now, the newest first; prices is a
-- hash of these.
WITH
    -- include: prices_hash.sql
    AS prices
SELECT Period AS period, toUnixTimestamp(Start) AS start, version, prices
FROM
(
    SELECT Period, Start, max(Version) AS version, argMax(SourceRows, Version) AS source_rows
    FROM rollup_periods
    WHERE Period IN (3600, 86400)
    GROUP BY Period, Start
)
WHERE source_rows > 0 AND (Period, Start, version) NOT IN (SELECT Period, Start, Version FROM rollup_dearest WHERE By = 'all' AND Prices = prices)
ORDER BY start DESC
