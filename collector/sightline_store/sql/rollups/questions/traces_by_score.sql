-- The question traces_by_score, the lowest first, of rollups and of the rows that no rollup holds: the lowest answers are among the
-- lowest of the periods, at most 50.
WITH
    (
        SELECT (
            sum(Valued),
            arrayMap(item -> (item.4, item.5),
                arraySlice(arraySort(arrayFilter(item -> NOT item.1, groupArrayArray(Lowest))), {offset:UInt32} + 1, {limit:UInt32})))
        FROM
        (
            -- include: rolled_scores.sql
        )
        WHERE Name = {name:String}
    ) AS found,
    indexOf(found.2, (TraceHash, toUnixTimestamp64Nano(Timestamp))) AS place
-- include: rows_of_page.sql
