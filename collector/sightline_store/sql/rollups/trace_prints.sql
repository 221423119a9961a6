-- What routes and models the traces have that have rows in each minute of a day, as a sum of hashes of both: a request or call that comes,
-- goes or is corrected in another minute, or within an hour around the day, changes it where the rows by route or model change.
SELECT minute, toUInt64(0) AS n, sum(print) AS print
FROM
(
    SELECT TraceHash, toUInt32(intDiv(toUnixTimestamp(Timestamp), 60) * 60) AS minute
    FROM
    (
        SELECT TraceHash, Timestamp FROM requests
        UNION ALL
        SELECT TraceHash, Timestamp FROM llm_calls
        UNION ALL
        SELECT TraceHash, Timestamp FROM stages
        UNION ALL
        SELECT TraceHash, Timestamp FROM retrievals
        UNION ALL
        SELECT TraceHash, Timestamp FROM embeddings
    )
    WHERE Timestamp >= fromUnixTimestamp64Second({from_s:Int64}) AND Timestamp < fromUnixTimestamp64Second({to_s:Int64})
) AS counted
INNER JOIN
(
    SELECT TraceHash, sum(value) AS print
    FROM
    (
        SELECT DISTINCT TraceHash, cityHash64(TraceHash, 'route', Route) AS value
        FROM requests
        WHERE Timestamp >= fromUnixTimestamp64Second({around_from_s:Int64}) AND Timestamp < fromUnixTimestamp64Second({around_to_s:Int64})
        UNION ALL
        SELECT DISTINCT TraceHash, cityHash64(TraceHash, 'model', if(ResponseModel != '', ResponseModel, RequestModel)) AS value
        FROM llm_calls
        WHERE Timestamp >= fromUnixTimestamp64Second({around_from_s:Int64}) AND Timestamp < fromUnixTimestamp64Second({around_to_s:Int64})
    )
    GROUP BY TraceHash
) AS told USING (TraceHash)
GROUP BY minute
