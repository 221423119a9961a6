-- The periods that the plan reads (rollups/plan.py), each as it was made last.
(Period, Start, Version) IN (
    SELECT Period, Start, max(Version)
    FROM rollup_periods
    WHERE Period IN {periods:Array(UInt32)} AND Start >= {rolled_from:DateTime64(3, 'UTC')} AND Start < {rolled_to:DateTime64(3, 'UTC')}
        AND arrayExists((period, first, after) -> Period = period AND toUnixTimestamp(Start) >= first AND toUnixTimestamp(Start) < after,
            {periods:Array(UInt32)}, {firsts:Array(UInt32)}, {afters:Array(UInt32)})
    GROUP BY Period, Start)
AND Period IN {periods:Array(UInt32)} AND Start >= {rolled_from:DateTime64(3, 'UTC')} AND Start < {rolled_to:DateTime64(3, 'UTC')}
