-- The sets of rows of a version that were cut because they were too many, or were made of such. cut_rows: cut_rows.sql of each table.
SELECT toUnixTimestamp(begin) AS start, groupUniqArray(set) AS sets
FROM
(
    -- condition: cut_rows
    UNION ALL
    SELECT
        toDateTime(intDiv(toUnixTimestamp(Start), {period:UInt32}) * {period:UInt32}, 'UTC') AS begin,
        arrayJoin(arrayFilter((set, bit) -> bitAnd(cut, bit) != 0, ['all', 'tenant', 'route', 'model'], [1, 2, 4, 8])) AS set
    FROM
    (
        SELECT Period, Start, argMax(Cut, Version) AS cut
        FROM rollup_periods
        WHERE Period < {period:UInt32} AND Start >= toDateTime({from_s:UInt32}, 'UTC') AND Start < toDateTime({to_s:UInt32}, 'UTC')
        GROUP BY Period, Start
    )
)
GROUP BY start
