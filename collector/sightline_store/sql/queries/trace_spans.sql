-- What happened in one trace? Its spans in the order in which they began, without their payloads.
-- The id table says which hours to open, so the size of the store does not matter.
WITH
    (SELECT min(Start) FROM otel_traces_trace_id_ts WHERE TraceId = {trace_id:String}) AS first_start,
    (SELECT max(End) FROM otel_traces_trace_id_ts WHERE TraceId = {trace_id:String}) AS last_start
SELECT
    SpanId AS span_id,
    ParentSpanId AS parent_id,
    toString(SpanName) AS name,
    toString(SpanKind) AS kind,
    toString(ServiceName) AS service,
    toUnixTimestamp64Nano(Timestamp) AS start_ns,
    Duration AS duration_ns,
    toString(StatusCode) AS status,
    StatusMessage AS status_message,
    multiIf(
        SpanAttributes['sightline.stage'] != '', SpanAttributes['sightline.stage'],
        SpanAttributes['gen_ai.operation.name'] IN ('chat', 'text_completion', 'generate_content'), 'model',
        SpanAttributes['gen_ai.operation.name'] = 'embeddings', 'embed',
        SpanAttributes['gen_ai.operation.name'] = 'retrieval', 'search',
        SpanAttributes['gen_ai.operation.name'] = 'execute_tool', 'tool',
        '') AS stage,
    toFloat64OrNull(SpanAttributes['sightline.response.time_to_first_token']) * 1e3 AS ttft_ms,
    toFloat64OrNull(SpanAttributes['gen_ai.response.time_to_first_chunk']) * 1e3 AS first_chunk_ms,
    SpanAttributes['gen_ai.request.model'] AS model_name,
    SpanAttributes['error.type'] AS error_type,
    SpanAttributes['sightline.guardrail.flagged'] = 'true' AS flagged,
    SpanAttributes['tenant.id'] AS tenant_name,
    SpanAttributes['user.id'] AS user_id,
    SpanAttributes['session.id'] AS session_id
FROM otel_traces
WHERE TraceId = {trace_id:String}
    AND Timestamp >= first_start AND Timestamp < toDateTime64(last_start, 9) + INTERVAL 1 SECOND
ORDER BY start_ns, duration_ns DESC, span_id
LIMIT {limit:UInt32}
