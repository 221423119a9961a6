-- What happened in one trace? Its spans in the order in which they began, without their payloads.
-- The id table says which hours to open, so the size of the store does not matter. What a span means, in whichever
-- convention it uses, is read from the typed tables.
WITH
    -- The row of what was recorded by a log of its end (a stream, by Logfire) begins before the first raw row.
    (SELECT (min(Start) - INTERVAL 1 HOUR, toDateTime64(max(End), 9) + INTERVAL 1 SECOND) FROM otel_traces_trace_id_ts WHERE TraceId = {trace_id:String}) AS within
SELECT
    s.SpanId AS span_id,
    s.ParentSpanId AS parent_id,
    toString(s.SpanName) AS name,
    toString(s.SpanKind) AS kind,
    toString(s.ServiceName) AS service,
    toUnixTimestamp64Nano(s.Timestamp) AS start_ns,
    s.Duration AS duration_ns,
    toString(s.StatusCode) AS status,
    s.StatusMessage AS status_message,
    if(t.stage != '', t.stage, if({content:UInt8}, s.SpanAttributes['sightline.stage'], '')) AS stage,
    t.ttft_ms AS ttft_ms,
    t.first_chunk_ms AS first_chunk_ms,
    t.model_name AS model_name,
    t.error_type AS error_type,
    t.flagged AS flagged,
    t.tenant_name AS tenant_name,
    t.user_id AS user_id,
    t.session_id AS session_id
FROM otel_traces AS s
LEFT JOIN
(
    SELECT
        SpanId,
        if(max(stage_name) = '' AND max(is_request), 'request', max(stage_name)) AS stage,
        maxIf(ttft, definition = 'delivered') AS ttft_ms,
        maxIf(ttft, definition IN ('first_chunk', 'first_token')) AS first_chunk_ms,
        max(model) AS model_name,
        max(error) AS error_type,
        max(is_flagged) AS flagged,
        max(tenant) AS tenant_name,
        max(user) AS user_id,
        max(session) AS session_id
    FROM
    (
        SELECT
            SpanId, true AS is_request, '' AS stage_name, TtftMs AS ttft, toString(TtftDefinition) AS definition, '' AS model,
            '' AS error, false AS is_flagged, toString(Tenant) AS tenant, UserId AS user, SessionId AS session
        FROM requests
        WHERE TraceId = {trace_id:String} AND Timestamp >= within.1 AND Timestamp < within.2
        UNION ALL
        SELECT SpanId, false, toString(Stage), TtftMs, toString(TtftDefinition), '', '', Flagged, toString(Tenant), '', ''
        FROM stages
        WHERE TraceId = {trace_id:String} AND Timestamp >= within.1 AND Timestamp < within.2
        UNION ALL
        SELECT
            SpanId, false, '', NULL, '', toString(if(ResponseModel != '', ResponseModel, RequestModel)), '', false, '', UserId, SessionId
        FROM llm_calls
        WHERE TraceId = {trace_id:String} AND Timestamp >= within.1 AND Timestamp < within.2
        UNION ALL
        SELECT SpanId, false, '', NULL, '', '', toString(ErrorType), false, '', '', ''
        FROM errors
        WHERE TraceId = {trace_id:String} AND Timestamp >= within.1 AND Timestamp < within.2
    )
    GROUP BY SpanId
) AS t ON t.SpanId = s.SpanId
WHERE s.TraceId = {trace_id:String} AND s.Timestamp >= within.1 AND s.Timestamp < within.2
ORDER BY start_ns, duration_ns DESC, span_id
-- Two exporters may have sent the same span.
LIMIT 1 BY span_id
LIMIT {limit:UInt32}
