-- Which hours and days of a window have a list of the dearest requests at the prices that hold now, or no rows; prices is a hash of these.
WITH
    -- include: prices_hash.sql
    AS prices
SELECT
    prices,
    groupArrayIf(toUnixTimestamp(Start), Period = 3600) AS hours,
    groupArrayIf(toUnixTimestamp(Start), Period = 86400) AS days
FROM
(
    SELECT Period, Start, max(Version) AS version, argMax(SourceRows, Version) AS source_rows
    FROM rollup_periods
    WHERE Period IN (3600, 86400) AND Start >= {from:DateTime64(3, 'UTC')} AND Start < {to:DateTime64(3, 'UTC')}
    GROUP BY Period, Start
)
WHERE source_rows = 0 OR (Period, Start, version) IN (
    SELECT Period, Start, Version
    FROM rollup_dearest
    WHERE By = 'all' AND Prices = prices AND Start >= {from:DateTime64(3, 'UTC')} AND Start < {to:DateTime64(3, 'UTC')})
