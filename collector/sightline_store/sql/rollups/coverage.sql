-- Which periods of a window hold rollups that can answer: what a plan is made of (rollups/plan.py).
-- format: periods of an older one lack what the question reads. sees_all: whether who asks may read what is added up over
-- tenants. source_rows: of typed rows of the whole hours, or days.
SELECT
    groupArrayIf(start, period = 60) AS minutes,
    groupArrayIf(start, period = 3600) AS hours,
    groupArrayIf(start, period = 86400) AS days,
    greatest(sumIf(of_period, period = 3600), sumIf(of_period, period = 86400)) AS source_rows,
    (SELECT count() > 0 FROM (SELECT 1 FROM rollup_requests WHERE By = 'all' LIMIT 1)) AS sees_all
FROM
(
    SELECT Period AS period, toUnixTimestamp(Start) AS start, argMax(Cut, Version) AS cut, argMax(SourceRows, Version) AS of_period
    FROM rollup_periods
    WHERE Start >= {from:DateTime64(3, 'UTC')} AND Start < {to:DateTime64(3, 'UTC')}
    GROUP BY Period, Start
    HAVING bitAnd(cut, {needed:UInt8}) = 0 AND argMax(RowsFormat, Version) >= {format:UInt8}
)
