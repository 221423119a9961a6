-- How many raw spans each minute of a day has: they do not say when they were stored, so a print is their number.
SELECT toUInt32(intDiv(toUnixTimestamp(Timestamp), 60) * 60) AS minute, toUInt64(0) AS n, count() AS print
FROM otel_traces
WHERE Timestamp >= fromUnixTimestamp64Second({from_s:Int64}) AND Timestamp < fromUnixTimestamp64Second({to_s:Int64})
GROUP BY minute
