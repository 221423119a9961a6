-- What was searched for in some traces? The attributes and events of their searches that hold a question; started_ms (epoch ms)
-- says when each of trace_ids began. The table of stages leads to the spans.
WITH arrayZip(arrayMap(id -> cityHash64(id), {trace_ids:Array(String)}), {started_ms:Array(Int64)}) AS named
SELECT
    -- include: asked_columns.sql
    'search' AS stage
FROM otel_traces
WHERE (ServiceName, toStartOfFiveMinutes(Timestamp), TraceId, SpanName, toDateTime(Timestamp)) IN (
        SELECT ServiceName, toStartOfFiveMinutes(Timestamp), TraceId, Name, toDateTime(Timestamp) FROM stages
        WHERE Stage = 'search' AND TraceHash IN (SELECT cityHash64(arrayJoin({trace_ids:Array(String)})))
            AND (toStartOfFiveMinutes(Timestamp), TraceHash) IN (
                SELECT toStartOfFiveMinutes(fromUnixTimestamp64Milli(arrayJoin(named).2, 'UTC')) + 300 * arrayJoin(range(-1, 13)), arrayJoin(named).1))
    AND TraceId IN ({trace_ids:Array(String)})
