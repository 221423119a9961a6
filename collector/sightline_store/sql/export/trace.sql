-- All of one trace's spans as otel_traces holds them, in the order in which they began. Maps as pairs, so that none is lost.
WITH
    (SELECT min(Start) FROM otel_traces_trace_id_ts WHERE TraceId = {trace_id:String}) AS first_start,
    (SELECT max(End) FROM otel_traces_trace_id_ts WHERE TraceId = {trace_id:String}) AS last_start
SELECT
    toUnixTimestamp64Nano(Timestamp) AS start_ns,
    Duration AS duration_ns,
    TraceId AS trace_id,
    SpanId AS span_id,
    ParentSpanId AS parent_id,
    TraceState AS trace_state,
    toString(SpanName) AS name,
    toString(SpanKind) AS kind,
    CAST(ResourceAttributes, 'Array(Tuple(String, String))') AS resource,
    ScopeName AS scope_name,
    ScopeVersion AS scope_version,
    CAST(SpanAttributes, 'Array(Tuple(String, String))') AS attributes,
    toString(StatusCode) AS status,
    StatusMessage AS status_message,
    arrayMap(t -> toUnixTimestamp64Nano(t), `Events.Timestamp`) AS event_times_ns,
    arrayMap(name -> toString(name), `Events.Name`) AS event_names,
    arrayMap(m -> CAST(m, 'Array(Tuple(String, String))'), `Events.Attributes`) AS event_attributes,
    `Links.TraceId` AS link_trace_ids,
    `Links.SpanId` AS link_span_ids,
    `Links.TraceState` AS link_trace_states,
    arrayMap(m -> CAST(m, 'Array(Tuple(String, String))'), `Links.Attributes`) AS link_attributes
FROM otel_traces
WHERE TraceId = {trace_id:String}
    AND Timestamp >= first_start AND Timestamp < toDateTime64(last_start, 9) + INTERVAL 1 SECOND
ORDER BY start_ns, span_id
