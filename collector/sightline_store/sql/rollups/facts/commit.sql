-- From here on the facts of some hours count that were made with these versions: each its start, its version and what it was made of.
INSERT INTO rollup_facts_made (Period, Start, Made, Of, Prices, Requests)
SELECT toUInt32(3600), toDateTime(item.1, 'UTC'), item.2, item.3, {prices:UInt64}, transform(item.2, counts.1, counts.2, toUInt64(0))
FROM
(
    SELECT
        arrayJoin({hours:Array(Tuple(UInt32, UInt64, UInt64))}) AS item,
        (
            SELECT (groupArray(Made), groupArray(n))
            FROM
            (
                SELECT Made, count() AS n
                FROM rollup_facts
                WHERE Start >= fromUnixTimestamp({from_s:UInt32}) AND Start < fromUnixTimestamp({to_s:UInt32})
                    AND Made IN {made:Array(UInt64)} AND Whose != 2
                GROUP BY Made
            )
        ) AS counts
)
WHERE toUnixTimestamp64Micro(now64(6)) < {latest_us:Int64}
