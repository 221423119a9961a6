-- What does one span hold? All its attributes, events and resource.
WITH
    (SELECT min(Start) FROM otel_traces_trace_id_ts WHERE TraceId = {trace_id:String}) AS first_start,
    (SELECT max(End) FROM otel_traces_trace_id_ts WHERE TraceId = {trace_id:String}) AS last_start
SELECT
    SpanId AS span_id,
    SpanAttributes AS attributes,
    ResourceAttributes AS resource,
    ScopeName AS scope_name,
    ScopeVersion AS scope_version,
    StatusMessage AS status_message,
    arrayMap(t -> toUnixTimestamp64Nano(t), `Events.Timestamp`) AS event_times_ns,
    `Events.Name` AS event_names,
    `Events.Attributes` AS event_attributes
FROM otel_traces
WHERE TraceId = {trace_id:String} AND SpanId = {span_id:String}
    AND Timestamp >= first_start AND Timestamp < toDateTime64(last_start, 9) + INTERVAL 1 SECOND
LIMIT 1
