CREATE MATERIALIZED VIEW otlp_traces_noted_to_trace_notes TO trace_notes AS
WITH (SELECT groupArray(sampling)[-1] FROM otlp_traces_noted) AS note
SELECT
    max(s.status.code = 2 OR (s.end_time_unix_nano > s.start_time_unix_nano AND s.end_time_unix_nano - s.start_time_unix_nano >= note.slow_ns)) AS IsWhole,
    note.segment AS Segment,
    sightlineHexId(s.trace_id) AS TraceId,
    count() AS Spans
FROM
(
    SELECT arrayJoin(arrayFlatten(rs.scope_spans.spans)) AS s
    FROM (SELECT arrayJoin(resource_spans) AS rs FROM otlp_traces_noted)
)
GROUP BY s.trace_id;
