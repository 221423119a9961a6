-- Written by `python -m sightline_store.conventions.canonical` from the alias table (aliases.py): edit that.
CREATE MATERIALIZED VIEW spans_canonical_to_requests TO requests AS
SELECT
    Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, Name, Convention, StatusCode, ErrorType, DurationMs, TtftMs, TtftDefinition, RequestRank, Route, HttpStatus, Outcome, if(Tenant != '', Tenant, arrayMax(names.1)) AS Tenant, if(UserId != '', UserId, arrayMax(names.2)) AS UserId, if(SessionId != '', SessionId, arrayMax(names.3)) AS SessionId, now64(6) AS StoredAt
FROM
(
    SELECT
        Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, Name, Convention, StatusCode, ErrorType, DurationMs, TtftMs, TtftDefinition, RequestRank, Tenant, UserId, SessionId,
        column_values[9] AS Route,
        toUInt16OrZero(column_values[10]) AS HttpStatus,
        column_values[12] AS Outcome,
        toUnixTimestamp64Nano(Timestamp) AS began,
        CAST((RequestRank, cityHash64(ServiceName), began, began + toInt64(DurationMs * 1e6), cityHash64(SpanId)), 'Tuple(rank UInt8, service UInt64, began Int64, ended Int64, id UInt64)') AS span,
        groupArray((span, (Tenant, UserId, SessionId))) OVER (PARTITION BY TraceId ORDER BY Timestamp ROWS BETWEEN 16 PRECEDING AND 16 FOLLOWING) AS neighbours,
        neighbours.1 AS spans,
        neighbours.2 AS names
    FROM spans_canonical
    WHERE RequestRank > 0
)
WHERE TraceId = '' OR length(spans) = 1 OR (span.rank = arrayMax(spans.rank) AND (span.rank = 2 OR NOT arrayExists(
    other -> other.rank = span.rank AND (other.began, -other.ended, other.id) < (span.began, -span.ended, span.id)
        AND other.ended + if(other.service = span.service, 2000000, 500000000) >= span.ended,
    spans)));
