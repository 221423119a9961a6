-- What did some searches return, where their own spans say it? trace_ids and found_ms (when each began, epoch ms) name them.
SELECT
    -- include: asked_columns.sql
    'search' AS stage
FROM otel_traces
WHERE (toStartOfFiveMinutes(Timestamp), TraceId) IN (
        SELECT toStartOfFiveMinutes(toDateTime(intDiv(search.2, 1000))), search.1
        FROM (SELECT arrayJoin(arrayZip({trace_ids:Array(String)}, {found_ms:Array(Int64)})) AS search))
    AND toUnixTimestamp64Milli(Timestamp) IN ({found_ms:Array(Int64)})
