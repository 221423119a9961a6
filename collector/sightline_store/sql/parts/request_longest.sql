-- Which requests took longest, as sql/tables/023_more_rollups.sql says.
groupArraySorted(50)((-DurationMs, -toUnixTimestamp64Milli(Timestamp), TraceHash, toUnixTimestamp64Nano(Timestamp))) AS LongestTotal,
groupArraySortedIf(50)(
    (-ifNull(TtftMs, 0.), -toUnixTimestamp64Milli(Timestamp), TraceHash, toUnixTimestamp64Nano(Timestamp)), isNotNull(TtftMs)) AS LongestTtft
