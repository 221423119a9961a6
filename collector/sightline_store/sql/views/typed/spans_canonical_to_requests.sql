-- Written by `python -m sightline_store.conventions.canonical` from the alias table (aliases.py): edit that.
CREATE MATERIALIZED VIEW spans_canonical_to_requests TO requests AS
SELECT
    Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, Name, Convention, StatusCode, ErrorType, DurationMs, TtftMs, TtftDefinition, RequestRank, StoredAt, Route, HttpStatus, Outcome, if(Tenant = '' AND TraceId != '', trace_Tenant, Tenant) AS Tenant, if(UserId = '' AND TraceId != '', trace_UserId, UserId) AS UserId, if(SessionId = '' AND TraceId != '', trace_SessionId, SessionId) AS SessionId
FROM
(
    SELECT
        Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, Name, Convention, StatusCode, ErrorType, DurationMs, TtftMs, TtftDefinition, RequestRank, StoredAt, Tenant, UserId, SessionId,
        column_values[9] AS Route,
        toUInt16OrZero(column_values[10]) AS HttpStatus,
        column_values[12] AS Outcome,
        toUnixTimestamp64Nano(Timestamp) + toInt64(DurationMs * 1e6) AS ended,
        max(RequestRank) OVER (PARTITION BY TraceId) AS top_rank,
        max(ended) OVER (PARTITION BY TraceId, RequestRank ORDER BY Timestamp, ended DESC, SpanId ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS outer_end,
        argMax(ServiceName, ended) OVER (PARTITION BY TraceId, RequestRank ORDER BY Timestamp, ended DESC, SpanId ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS outer_service,
        maxIf(Tenant, RequestRank NOT IN (0, 3)) OVER (PARTITION BY TraceId) AS trace_Tenant,
        maxIf(UserId, RequestRank NOT IN (0, 3)) OVER (PARTITION BY TraceId) AS trace_UserId,
        maxIf(SessionId, RequestRank NOT IN (0, 3)) OVER (PARTITION BY TraceId) AS trace_SessionId
    FROM spans_canonical
    WHERE RequestRank > 0
)
WHERE if(TraceId = '', RequestRank != 3, RequestRank = top_rank AND multiIf(
    RequestRank = 4, true,
    RequestRank = 3, false,
    RequestRank = 1, outer_end = 0,
    outer_end + if(outer_service = ServiceName, 2000000, 500000000) < ended));
