-- Which requests were there? One page of them, sorted by time, ttft or total; matching says how many there are on all pages.
-- search: a trace id or its beginning, or part of a session or user id. What they spent and scored tells `trace_totals`.
SELECT
    TraceId AS trace_id, SpanId AS span_id, toUnixTimestamp64Milli(Timestamp) AS started_ms, toString(ServiceName) AS service,
    toString(Name) AS name, toString(Route) AS route_name, toString(Tenant) AS tenant_name, UserId AS user_id,
    SessionId AS session_id, StatusCode = 'Error' OR HttpStatus >= 500 AS failed, toString(ErrorType) AS error_type,
    HttpStatus AS http_status, TtftMs AS ttft_ms, DurationMs AS total_ms,
    (
        SELECT count()
        FROM requests
        WHERE
            -- include: requests_matching.sql
    ) AS matching
FROM requests
WHERE
    -- include: requests_matching.sql
ORDER BY
    multiIf({sort:String} = 'ttft', TtftMs, {sort:String} = 'total', DurationMs, toFloat64(started_ms))
        * if({descending:UInt8} = 1, -1, 1) ASC NULLS LAST,
    started_ms DESC, TraceHash
LIMIT {limit:UInt32} OFFSET {offset:UInt32}
