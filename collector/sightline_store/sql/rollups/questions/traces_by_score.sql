-- The question traces_by_score, the lowest first, of rollups and of the rows that no rollup holds: the lowest answers are among the
-- lowest of the periods, at most 50.
WITH
    (
        SELECT (
            sum(Valued), arraySlice(arraySort(arrayFilter(answer -> NOT answer.1, groupArrayArray(Lowest))), {offset:UInt32} + 1, {limit:UInt32}))
        FROM
        (
            -- include: rolled_scores.sql
        )
        WHERE Name = {name:String}
    ) AS found,
    indexOf(arrayZip(found.2.4, found.2.5), (TraceHash, toUnixTimestamp64Nano(Timestamp))) AS place
SELECT
    -- include: request_columns.sql
    found.1 AS matching
FROM requests
WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
    AND toStartOfFiveMinutes(Timestamp) IN (SELECT toStartOfFiveMinutes(fromUnixTimestamp64Nano(arrayJoin(found.2.5), 'UTC')))
    AND TraceHash IN (SELECT arrayJoin(found.2.4)) AND place > 0
ORDER BY place
