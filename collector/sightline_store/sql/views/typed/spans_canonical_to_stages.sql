-- Written by `python -m sightline_store.conventions.canonical` from the alias table (aliases.py): edit that.
CREATE MATERIALIZED VIEW spans_canonical_to_stages TO stages AS
SELECT Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, Tenant, StoredAt, multiIf(StageAttribute != '', StageAttribute, RequestRank = 3 AND Kind IN ('', 'workflow'), 'background', Kind) AS Stage, Name, Convention, DurationMs, TtftMs, TtftDefinition, StatusCode, ErrorType, column_values[55] = 'true' AS Flagged
FROM spans_canonical
WHERE Stage NOT IN ('', 'request', 'workflow', 'evaluator');
