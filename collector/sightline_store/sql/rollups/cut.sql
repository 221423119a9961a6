-- The sets of rows of a version that were cut because they were too many, or were made of such.
SELECT toUnixTimestamp(begin) AS start, groupUniqArray(set) AS sets
FROM
(
    SELECT Start AS begin, By AS set FROM rollup_requests WHERE Period = {period:UInt32} AND Version = {version:UInt64} GROUP BY Start, By HAVING count() > {most:UInt32}
    UNION ALL
    SELECT Start, By FROM rollup_calls WHERE Period = {period:UInt32} AND Version = {version:UInt64} GROUP BY Start, By HAVING count() > {most:UInt32}
    UNION ALL
    SELECT Start, By FROM rollup_callers WHERE Period = {period:UInt32} AND Version = {version:UInt64} GROUP BY Start, By HAVING count() > {most:UInt32}
    UNION ALL
    SELECT Start, By FROM rollup_stages WHERE Period = {period:UInt32} AND Version = {version:UInt64} GROUP BY Start, By HAVING count() > {most:UInt32}
    UNION ALL
    SELECT Start, By FROM rollup_retrievals WHERE Period = {period:UInt32} AND Version = {version:UInt64} GROUP BY Start, By HAVING count() > {most:UInt32}
    UNION ALL
    SELECT Start, By FROM rollup_uses WHERE Period = {period:UInt32} AND Version = {version:UInt64} GROUP BY Start, By HAVING count() > {most:UInt32}
    UNION ALL
    SELECT Start, By FROM rollup_spans WHERE Period = {period:UInt32} AND Version = {version:UInt64} GROUP BY Start, By HAVING count() > {most:UInt32}
    UNION ALL
    SELECT Start, By FROM rollup_embeddings WHERE Period = {period:UInt32} AND Version = {version:UInt64} GROUP BY Start, By HAVING count() > {most:UInt32}
    UNION ALL
    SELECT Start, By FROM rollup_scores WHERE Period = {period:UInt32} AND Version = {version:UInt64} GROUP BY Start, By HAVING count() > {most:UInt32}
    UNION ALL
    SELECT
        toDateTime(intDiv(toUnixTimestamp(Start), {period:UInt32}) * {period:UInt32}, 'UTC') AS begin,
        arrayJoin(arrayFilter((set, bit) -> bitAnd(cut, bit) != 0, ['all', 'tenant', 'route'], [1, 2, 4])) AS set
    FROM
    (
        SELECT Period, Start, argMax(Cut, Version) AS cut
        FROM rollup_periods
        WHERE Period < {period:UInt32} AND Start >= toDateTime({from_s:UInt32}, 'UTC') AND Start < toDateTime({to_s:UInt32}, 'UTC')
        GROUP BY Period, Start
    )
)
GROUP BY start
