-- What was asked in some requests, where their own spans say it? The attributes and events of those spans that hold a question.
-- Service, name and second (epoch) of the spans lead to them at once.
SELECT
    -- include: asked_columns.sql
    'request' AS stage
FROM otel_traces
WHERE (ServiceName, SpanName, toDateTime(Timestamp, 'UTC')) IN (
        SELECT span.1, span.2, toDateTime(span.3, 'UTC')
        FROM (SELECT arrayJoin(arrayZip({services:Array(String)}, {names:Array(String)}, {seconds:Array(Int64)})) AS span))
    AND TraceId IN ({trace_ids:Array(String)}) AND SpanId IN ({span_ids:Array(String)})
