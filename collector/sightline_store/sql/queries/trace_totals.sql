-- What did each of some requests spend, and how grounded was its answer judged last? trace_ids and started_ms (epoch ms) name them.
-- A call counts that began up to five minutes before its request and up to an hour after it. cost_usd is NULL where any of its
-- calls has no price.
WITH
    arrayZip(arrayMap(id -> cityHash64(id), {trace_ids:Array(String)}), {started_ms:Array(Int64)}) AS named,
    toStartOfFiveMinutes(fromUnixTimestamp64Milli(arrayMin({started_ms:Array(Int64)}), 'UTC')) AS first_five
SELECT
    t.trace_id AS trace_id,
    m.models AS models, m.calls AS llm_calls, m.input_tokens AS input_tokens, m.output_tokens AS output_tokens,
    if(m.unpriced_calls > 0, NULL, m.cost_usd) AS cost_usd,
    s.groundedness AS groundedness, s.faithfulness AS faithfulness, s.judged AS judged
FROM
(
    SELECT arrayJoin(arrayDistinct({trace_ids:Array(String)})) AS trace_id
) AS t
LEFT JOIN
(
    SELECT
        TraceId AS trace_id,
        groupUniqArray(8)(toString(if(ResponseModel != '', ResponseModel, RequestModel))) AS models,
        count() AS calls,
        countIf(CostUsd IS NULL) AS unpriced_calls,
        sumOrNull(InputTokens) AS input_tokens,
        sumOrNull(OutputTokens) AS output_tokens,
        sumOrNull(CostUsd) AS cost_usd
    FROM llm_calls_priced
    WHERE TraceHash IN (SELECT cityHash64(arrayJoin({trace_ids:Array(String)})))
        AND (toStartOfFiveMinutes(Timestamp), TraceHash) IN (
            SELECT toStartOfFiveMinutes(fromUnixTimestamp64Milli(arrayJoin(named).2, 'UTC')) + 300 * arrayJoin(range(-1, 13)), arrayJoin(named).1)
    GROUP BY trace_id
) AS m USING (trace_id)
LEFT JOIN
(
    SELECT
        TraceId AS trace_id, count() AS judged,
        tupleElement(argMaxIf(tuple(Value), Timestamp, Name = 'groundedness'), 1) AS groundedness,
        tupleElement(argMaxIf(tuple(Value), Timestamp, Name = 'faithfulness'), 1) AS faithfulness
    FROM scores
    WHERE TraceHash IN (SELECT cityHash64(arrayJoin({trace_ids:Array(String)}))) AND Timestamp >= first_five AND Name IN ('groundedness', 'faithfulness')
    GROUP BY trace_id
) AS s USING (trace_id)
