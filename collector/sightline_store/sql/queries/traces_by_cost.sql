-- Which requests cost most, or least? One page of them, as `traces` tells them; those without a known cost come last.
-- First what the calls of each trace cost together, then which of the dearest traces are requests of the window. Calls of requests
-- outside of the window, or of what it is narrowed to, are left out before the dearest are chosen; where it is not
-- narrowed, only calls near its edges can be such.
WITH
    {limit:UInt32} + {offset:UInt32} + 100 AS enough,
    if({descending:UInt8} = 1, -1, 1) AS direction,
    ({tenant:String} != '' OR {route:String} != '' OR {model:String} != '' OR {search:String} != '' OR {only_errors:UInt8} != 0) AS narrowed,
    (
        SELECT groupArray((trace, cost))
        FROM
        (
            SELECT TraceHash AS trace, sum(ifNull(CostUsd, nan)) AS cost
            FROM llm_calls_priced
            WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')} + INTERVAL 1 HOUR
                AND ((NOT narrowed AND Timestamp >= {from:DateTime64(3, 'UTC')} + INTERVAL 1 HOUR
                        AND Timestamp < {to:DateTime64(3, 'UTC')})
                    OR TraceHash IN (
                        SELECT TraceHash
                        FROM requests
                        WHERE
                            -- include: requests_matching.sql
                            AND (narrowed OR Timestamp < {from:DateTime64(3, 'UTC')} + INTERVAL 1 HOUR
                                OR Timestamp >= {to:DateTime64(3, 'UTC')} - INTERVAL 1 HOUR)))
            GROUP BY trace
            HAVING NOT isNaN(cost)
            ORDER BY cost * direction, trace
            LIMIT enough
        )
    ) AS dearest,
    transform(TraceHash, dearest.1, dearest.2, nan) AS trace_cost
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
    AND (length(dearest) < enough OR NOT isNaN(trace_cost))
ORDER BY trace_cost * direction ASC NULLS LAST, started_ms DESC, TraceHash
LIMIT {limit:UInt32} OFFSET {offset:UInt32}
