-- The hours and days that have no list of the dearest requests as they are now, the newest first.
SELECT Period AS period, toUnixTimestamp(Start) AS start, made_of
FROM
(
    -- include: dearest_of.sql
)
WHERE source_rows > 0 AND (Period, Start, made_of) NOT IN (SELECT Period, Start, Of FROM rollup_dearest WHERE By = 'all')
ORDER BY start DESC
