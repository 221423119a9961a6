-- The sets of a version of which one table has more rows than it keeps.
SELECT Start AS begin, By AS set
FROM {rollup:Identifier}
WHERE Period = {period:UInt32} AND Start >= toDateTime({from_s:UInt32}, 'UTC') AND Start < toDateTime({to_s:UInt32}, 'UTC')
    AND Version = {version:UInt64}
GROUP BY Start, By
HAVING count() > {most:UInt32}
