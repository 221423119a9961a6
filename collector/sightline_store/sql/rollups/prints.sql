-- What the rows of each minute of a day are, as a sum of hashes of when they were stored: a row that comes or goes changes it, and
-- what `settle` changes is stored at another moment.
SELECT toUInt32(intDiv(toUnixTimestamp(Timestamp), 60) * 60) AS minute, count() AS n, sum(cityHash64(toUnixTimestamp64Micro(StoredAt))) AS print
FROM {table:Identifier}
WHERE Timestamp >= fromUnixTimestamp64Second({from_s:Int64}) AND Timestamp < fromUnixTimestamp64Second({to_s:Int64})
GROUP BY minute
