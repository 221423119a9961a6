-- What did people and models write in one trace? The attributes, events and logs of its spans that hold content.
-- `sightline_store.contents` reads them. A value is cut after a million characters, and rows after 50 MB. The id table says
-- which hours to open, so the size of the store does not matter: within.2 is when the last span began, and a log of its
-- answer comes up to an hour later.
WITH
    (SELECT (min(Start) - INTERVAL 1 HOUR, toDateTime64(max(End), 9) + INTERVAL 1 SECOND) FROM otel_traces_trace_id_ts WHERE TraceId = {trace_id:String}) AS within,
    -- include: content_keys.sql
    stage_of AS
    (
        SELECT SpanId, any(toString(Stage)) AS stage
        FROM stages
        WHERE TraceId = {trace_id:String} AND Timestamp >= within.1 AND Timestamp < within.2
        GROUP BY SpanId
    )
SELECT
    span_id, parent_id, start_ns, end_ns, stage, is_log, attributes, event_names, event_attributes,
    arraySum(value -> length(value), mapValues(attributes)) + length(toString(event_attributes)) AS bytes,
    sum(bytes) OVER (ORDER BY is_log, start_ns, span_id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS bytes_so_far
FROM
(
    SELECT
        s.SpanId AS span_id, s.ParentSpanId AS parent_id, toUnixTimestamp64Nano(s.Timestamp) AS start_ns, start_ns + toInt64(s.Duration) AS end_ns, k.stage AS stage, false AS is_log,
        CAST(mapApply((key, value) -> (key, if(length(value) > 1000000, leftUTF8(value, 1000000), value)), mapFilter((key, value) -> has(content_keys, key) OR match(key, content_prefixes), s.SpanAttributes)), 'Map(String, String)') AS attributes,
        CAST(arrayFilter((name, event) -> has(content_events, name) OR position(event['mlflow.chunk.value'], '"tool_calls": [') > 0, s.Events.Name, s.Events.Attributes), 'Array(String)') AS event_names,
        CAST(arrayMap(event -> mapApply((key, value) -> (key, if(length(value) > 1000000, leftUTF8(value, 1000000), value)), event), arrayFilter((event, name) -> has(content_events, name) OR position(event['mlflow.chunk.value'], '"tool_calls": [') > 0, s.Events.Attributes, s.Events.Name)), 'Array(Map(String, String))') AS event_attributes
    FROM otel_traces AS s
    LEFT JOIN stage_of AS k ON k.SpanId = s.SpanId
    WHERE s.TraceId = {trace_id:String} AND s.Timestamp >= within.1 AND s.Timestamp < within.2
    LIMIT 1 BY s.SpanId
    UNION ALL
    SELECT
        SpanId, '', toUnixTimestamp64Nano(Timestamp), toInt64(0), '', true,
        CAST(map(), 'Map(String, String)'), [if(EventName != '', EventName, LogAttributes['event.name'])], [mapUpdate(CAST(LogAttributes, 'Map(String, String)'), map('body', if(length(Body) > 1000000, leftUTF8(Body, 1000000), Body)))]
    FROM otel_logs
    WHERE TraceId = {trace_id:String} AND Timestamp >= within.1 AND Timestamp < within.2 + INTERVAL 1 HOUR AND has(content_events, if(EventName != '', EventName, LogAttributes['event.name']))
)
WHERE notEmpty(attributes) OR notEmpty(event_names)
QUALIFY bytes_so_far - bytes < 50000000
ORDER BY is_log, start_ns, span_id
LIMIT {limit:UInt32}
