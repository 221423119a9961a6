-- Whose are some traces? The tenants that their spans and logs name, '' where one names none: a trace of two tenants is nobody's.
-- A tenant is that of its sender's key, which the collector stamps on every span and log; of calls, stages and requests
-- without a stamp, that of the typed tables, in which a trace is looked for from an hour before its first span to 35 days after.
WITH
    {trace_ids:Array(String)} AS asked,
    times AS
    (
        SELECT TraceId, min(Start) AS first, max(End) AS last FROM otel_traces_trace_id_ts WHERE TraceId IN asked GROUP BY TraceId
    ),
    places AS
    (
        SELECT
            toStartOfFiveMinutes(toDateTime(first, 'UTC')) + 300 * arrayJoin(range(-12, least(10000, intDiv(last - first, 300) + 2))),
            cityHash64(TraceId)
        FROM times
    ),
    (SELECT (min(first) - INTERVAL 1 HOUR, toDateTime64(max(last), 9) + INTERVAL 1 HOUR) FROM times) AS within
SELECT trace_id, groupUniqArray(16)(tenant) AS tenants
FROM
(
    SELECT TraceId AS trace_id, ResourceAttributes['sightline.tenant'] AS tenant
    FROM otel_traces
    WHERE TraceId IN asked AND Timestamp >= within.1 AND Timestamp < within.2
    UNION ALL
    SELECT TraceId, ResourceAttributes['sightline.tenant']
    FROM otel_logs
    WHERE TraceId IN asked AND Timestamp >= within.1 AND Timestamp < within.2
    UNION ALL
    SELECT TraceId, toString(Tenant) FROM requests WHERE (toStartOfFiveMinutes(Timestamp), TraceHash) IN places
    UNION ALL
    SELECT TraceId, toString(Tenant) FROM stages WHERE (toStartOfFiveMinutes(Timestamp), TraceHash) IN places
    UNION ALL
    SELECT TraceId, toString(Tenant) FROM llm_calls WHERE (toStartOfFiveMinutes(Timestamp), TraceHash) IN places
    UNION ALL
    SELECT TraceId, toString(Tenant) FROM retrievals WHERE (toStartOfFiveMinutes(Timestamp), TraceHash) IN places
    UNION ALL
    SELECT TraceId, toString(Tenant) FROM embeddings WHERE (toStartOfFiveMinutes(Timestamp), TraceHash) IN places
)
GROUP BY trace_id
