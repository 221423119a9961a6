-- What was asked in some requests, where their own spans say it? The attributes and events of those spans that hold a question.
-- Service, time (epoch second) and trace lead to the spans at once, in stores that sort them otherwise their name; by TraceId alone
-- the index over ids skips more.
SELECT
    -- include: asked_columns.sql
    'request' AS stage
FROM otel_traces
WHERE (ServiceName, toStartOfFiveMinutes(Timestamp), TraceId, SpanName, toDateTime(Timestamp)) IN (
        SELECT span.1, toStartOfFiveMinutes(toDateTime(span.3)), span.4, span.2, toDateTime(span.3)
        FROM (SELECT arrayJoin(arrayZip({services:Array(String)}, {names:Array(String)}, {seconds:Array(Int64)}, {trace_ids:Array(String)})) AS span))
    AND TraceId IN ({trace_ids:Array(String)}) AND SpanId IN ({span_ids:Array(String)})
