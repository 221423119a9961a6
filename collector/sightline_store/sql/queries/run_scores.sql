-- Which scores of an evaluation run have arrived?
-- Parameters: run_id, since_s (look back, seconds).
SELECT DISTINCT TraceId AS trace_id, Name AS name
FROM scores
WHERE Timestamp >= now64(9) - toIntervalSecond({since_s:UInt64}) AND RunId = {run_id:String}
