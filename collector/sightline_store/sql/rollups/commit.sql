-- From here on the periods count as they were made with this version: each its start, its prints, its cut sets and its rows.
INSERT INTO rollup_periods (Period, Start, Version, Prints, Cut, SourceRows, RowsFormat)
SELECT {period:UInt32}, toDateTime(item.1, 'UTC'), {version:UInt64}, arrayMap(x -> toUInt64(x), item.2), item.3, item.4, {format:UInt8}
FROM
(
    SELECT arrayJoin({made:Array(Tuple(UInt32, Array(UInt64), UInt8, UInt64))}) AS item
)
WHERE toUnixTimestamp64Micro(now64(6)) < {latest_us:Int64}
