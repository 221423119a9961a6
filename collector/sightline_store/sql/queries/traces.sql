-- Which requests were there? One page of them, sorted by time, ttft, total, cost or faithfulness, with what each spent and scored.
-- search: a trace id or its beginning, or part of a session or user id. cost_usd is NULL where any of its calls has no price.
SELECT
    r.trace_id AS trace_id, r.span_id AS span_id, r.started_ms AS started_ms, r.service AS service, r.name AS name, r.route_name AS route_name,
    r.tenant_name AS tenant_name, r.user_id AS user_id, r.session_id AS session_id, r.failed AS failed, r.error_type AS error_type,
    r.http_status AS http_status, r.ttft_ms AS ttft_ms, r.total_ms AS total_ms,
    m.models AS models, m.calls AS llm_calls, m.input_tokens AS input_tokens, m.output_tokens AS output_tokens,
    if(m.unpriced_calls > 0, NULL, m.cost_usd) AS cost_usd,
    s.faithfulness AS faithfulness, s.judged AS judged,
    count() OVER () AS matching
FROM
(
    SELECT
        TraceId AS trace_id, SpanId AS span_id, toUnixTimestamp64Milli(Timestamp) AS started_ms, toString(ServiceName) AS service,
        toString(Name) AS name, toString(Route) AS route_name, toString(Tenant) AS tenant_name, UserId AS user_id, SessionId AS session_id,
        StatusCode = 'Error' OR HttpStatus >= 500 AS failed, toString(ErrorType) AS error_type, HttpStatus AS http_status,
        TtftMs AS ttft_ms, DurationMs AS total_ms
    FROM requests
    WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
        AND ({tenant:String} = '' OR Tenant = {tenant:String})
        AND ({route:String} = '' OR Route = {route:String})
        AND ({model:String} = '' OR TraceId IN (
            SELECT TraceId FROM llm_calls
            WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')} + INTERVAL 1 HOUR
                AND {model:String} != '' AND if(ResponseModel != '', ResponseModel, RequestModel) = {model:String}))
        AND ({search:String} = '' OR startsWith(TraceId, lower({search:String}))
            OR positionCaseInsensitiveUTF8(SessionId, {search:String}) > 0 OR positionCaseInsensitiveUTF8(UserId, {search:String}) > 0)
        AND ({only_errors:UInt8} = 0 OR StatusCode = 'Error' OR HttpStatus >= 500)
) AS r
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
    WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')} + INTERVAL 1 HOUR
    GROUP BY TraceId
) AS m USING (trace_id)
LEFT JOIN
(
    SELECT TraceId AS trace_id, tupleElement(argMax(tuple(Value), Timestamp), 1) AS faithfulness, count() AS judged
    FROM scores
    WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Name = 'faithfulness'
    GROUP BY TraceId
) AS s USING (trace_id)
WHERE {sort:String} != 'faithfulness' OR faithfulness IS NOT NULL
ORDER BY
    multiIf(
        {sort:String} = 'ttft', ttft_ms, {sort:String} = 'total', total_ms, {sort:String} = 'cost', cost_usd,
        {sort:String} = 'faithfulness', faithfulness, toFloat64(started_ms)) * if({descending:UInt8} = 1, -1, 1) ASC NULLS LAST,
    started_ms DESC, trace_id
LIMIT {limit:UInt32} OFFSET {offset:UInt32}
