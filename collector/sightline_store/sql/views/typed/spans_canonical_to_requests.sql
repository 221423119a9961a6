-- Written by `python -m sightline_store.conventions.canonical` from the alias table (aliases.py): edit that.
CREATE MATERIALIZED VIEW spans_canonical_to_requests TO requests AS
SELECT
    Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, Tenant, Name, column_values[9] AS Route, UserId, SessionId, Convention, StatusCode,
    toUInt16OrZero(column_values[10]) AS HttpStatus,
    ErrorType, column_values[12] AS Outcome, DurationMs, TtftMs, TtftDefinition
FROM spans_canonical
WHERE IsRequest;
