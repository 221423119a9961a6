-- What was asked in some requests, where their own spans say it? The attributes and events of those spans that hold a question.
-- Service, time (epoch second) and trace of the spans lead to them at once, in stores whose spans are sorted otherwise their name.
SELECT
    -- include: asked_columns.sql
    'request' AS stage
FROM otel_traces
WHERE (ServiceName, toStartOfFiveMinutes(Timestamp), TraceId, SpanName, toDateTime(Timestamp)) IN (
        SELECT span.1, toStartOfFiveMinutes(toDateTime(span.3)), span.4, span.2, toDateTime(span.3)
        FROM (SELECT arrayJoin(arrayZip({services:Array(String)}, {names:Array(String)}, {seconds:Array(Int64)}, {trace_ids:Array(String)})) AS span))
    AND TraceId IN ({trace_ids:Array(String)}) AND SpanId IN ({span_ids:Array(String)})
