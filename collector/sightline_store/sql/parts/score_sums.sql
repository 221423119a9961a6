-- What rollups keep of scores, and what questions that read rollups make of the rows beside them.
count(value) AS Valued,
countIf(value IS NULL) AS Failed,
countIf(value NOT IN (0, 1)) AS PartCount,
sum(ifNull(value, 0.)) AS ValueSum,
stddevSampStableStateIf(ifNull(value, 0.), isNotNull(value)) AS Spread,
groupUniqArrayIf(4)(judge, judge != '') AS Judges,
groupUniqArrayIf(4)(note, note != '') AS Notes,
groupArraySorted(50)((value IS NULL, ifNull(value, 0.), -toUnixTimestamp64Milli(Asked), TraceHash, toUnixTimestamp64Nano(Asked))) AS Lowest
