-- Which periods of a window hold rollups, and what they can answer: a row for each set of cut sets and format (rollups/plan.py).
-- sees_all: whether who asks may read what is added up over tenants. of_hours, of_days: typed rows of the whole hours and days; first_filled: the
-- first hour that has some, 0 where there is none.
SELECT
    cut,
    format,
    groupArrayIf(start, period = 60) AS minutes,
    groupArrayIf(start, period = 3600) AS hours,
    groupArrayIf(start, period = 86400) AS days,
    sumIf(of_period, period = 3600) AS of_hours,
    sumIf(of_period, period = 86400) AS of_days,
    minIf(start, period = 3600 AND of_period > 0) AS first_filled,
    (SELECT count() > 0 FROM (SELECT 1 FROM rollup_requests WHERE By = 'all' LIMIT 1)) AS sees_all
FROM
(
    SELECT
        Period AS period, toUnixTimestamp(Start) AS start, argMax(Cut, Version) AS cut, argMax(SourceRows, Version) AS of_period,
        argMax(RowsFormat, Version) AS format
    FROM rollup_periods
    WHERE Start >= {from:DateTime64(3, 'UTC')} AND Start < {to:DateTime64(3, 'UTC')}
    GROUP BY Period, Start
)
GROUP BY cut, format
