-- Which hours and days of a window have a list of the dearest requests as they are now, or no rows.
SELECT
    groupArrayIf(toUnixTimestamp(Start), Period = 3600) AS hours,
    groupArrayIf(toUnixTimestamp(Start), Period = 86400) AS days
FROM
(
    -- include: dearest_of.sql
)
WHERE Start >= {from:DateTime64(3, 'UTC')} AND Start < {to:DateTime64(3, 'UTC')}
    AND (source_rows = 0 OR (Period, Start, made_of) IN (SELECT Period, Start, Of FROM rollup_dearest WHERE By = 'all'))
