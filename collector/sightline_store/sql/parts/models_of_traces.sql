-- The models of the traces that have rows in what is made: those of their calls of the day, and of an hour before and behind it.
SELECT DISTINCT TraceHash, if(ResponseModel != '', ResponseModel, RequestModel) AS Model
FROM llm_calls
WHERE Timestamp >= fromUnixTimestamp64Second({around_from_s:Int64}) AND Timestamp < fromUnixTimestamp64Second({around_to_s:Int64})
    AND Model != ''
    AND TraceHash IN (
        SELECT TraceHash FROM {source:Identifier}
        WHERE Timestamp >= fromUnixTimestamp64Second({from_s:Int64}) AND Timestamp < fromUnixTimestamp64Second({to_s:Int64}))
