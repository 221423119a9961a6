-- What did the model calls of each of some requests spend? trace_ids and started_ms (epoch ms) name the requests. A call counts that
-- began up to five minutes before its request and up to an hour after it. cost_usd is NULL where any of its calls has no price.
WITH arrayZip(arrayMap(id -> cityHash64(id), {trace_ids:Array(String)}), {started_ms:Array(Int64)}) AS named
SELECT
    TraceId AS trace_id,
    groupUniqArray(8)(toString(if(ResponseModel != '', ResponseModel, RequestModel))) AS models,
    count() AS llm_calls,
    sumOrNull(InputTokens) AS input_tokens,
    sumOrNull(OutputTokens) AS output_tokens,
    if(countIf(CostUsd IS NULL) > 0, NULL, sumOrNull(CostUsd)) AS cost_usd
FROM llm_calls_priced
WHERE TraceHash IN (SELECT cityHash64(arrayJoin({trace_ids:Array(String)})))
    AND (toStartOfFiveMinutes(Timestamp), TraceHash) IN (
        SELECT toStartOfFiveMinutes(fromUnixTimestamp64Milli(arrayJoin(named).2, 'UTC')) + 300 * arrayJoin(range(-1, 13)), arrayJoin(named).1)
GROUP BY trace_id
