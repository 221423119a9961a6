-- Written by `python -m sightline_store.conventions.canonical` from the alias table (aliases.py): edit that.
CREATE MATERIALIZED VIEW spans_canonical_to_errors TO errors AS
SELECT Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, Tenant, StoredAt, if(StageAttribute != '', StageAttribute, Kind) AS Stage, Name, ErrorType, ErrorMessage AS Message, DurationMs
FROM spans_canonical
WHERE StatusCode = 'Error' OR ErrorType != '';
