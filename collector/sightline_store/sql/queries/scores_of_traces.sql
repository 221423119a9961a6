-- How grounded and how faithful was the answer of each of some requests judged last? trace_ids and started_ms (epoch ms) name the requests.
SELECT
    TraceId AS trace_id, count() AS judged,
    tupleElement(argMaxIf(tuple(Value), Timestamp, Name = 'groundedness'), 1) AS groundedness,
    tupleElement(argMaxIf(tuple(Value), Timestamp, Name = 'faithfulness'), 1) AS faithfulness
FROM scores
WHERE TraceHash IN (SELECT cityHash64(arrayJoin({trace_ids:Array(String)})))
    AND Timestamp >= toStartOfFiveMinutes(fromUnixTimestamp64Milli(arrayMin({started_ms:Array(Int64)}), 'UTC'))
    AND Name IN ('groundedness', 'faithfulness')
GROUP BY trace_id
