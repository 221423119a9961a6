-- Duration is unsigned: a span that ends before it starts is stored with 0, where the official exporter wraps around to
-- some 585 years. A time after 2106 is stored as the last second of it, where the official exporter wraps around to 1969 and
-- on. These differ from its rows on purpose; clamped_spans counts how often.
CREATE MATERIALIZED VIEW otlp_traces_to_otel_traces TO otel_traces AS
SELECT
    sightlineMoment(s.start_time_unix_nano) AS Timestamp,
    sightlineHexId(s.trace_id) AS TraceId,
    sightlineHexId(s.span_id) AS SpanId,
    sightlineHexId(s.parent_span_id) AS ParentSpanId,
    s.trace_state AS TraceState,
    s.name AS SpanName,
    ['Unspecified', 'Internal', 'Server', 'Client', 'Producer', 'Consumer'][greatest(s.kind, -1) + 1] AS SpanKind,
    resource['service.name'] AS ServiceName,
    resource AS ResourceAttributes,
    scope.name AS ScopeName,
    scope.version AS ScopeVersion,
    sightlineAttributes(s.attributes) AS SpanAttributes,
    if(s.end_time_unix_nano > s.start_time_unix_nano, s.end_time_unix_nano - s.start_time_unix_nano, 0) AS Duration,
    ['Unset', 'Ok', 'Error'][greatest(s.status.code, -1) + 1] AS StatusCode,
    s.status.message AS StatusMessage,
    arrayMap(e -> sightlineMoment(e.time_unix_nano), s.events) AS `Events.Timestamp`,
    s.events.name AS `Events.Name`,
    arrayMap(e -> sightlineAttributes(e.attributes), s.events) AS `Events.Attributes`,
    arrayMap(l -> sightlineHexId(l.trace_id), s.links) AS `Links.TraceId`,
    arrayMap(l -> sightlineHexId(l.span_id), s.links) AS `Links.SpanId`,
    s.links.trace_state AS `Links.TraceState`,
    arrayMap(l -> sightlineAttributes(l.attributes), s.links) AS `Links.Attributes`
FROM
(
    SELECT resource, scope_spans.scope AS scope, arrayJoin(scope_spans.spans) AS s
    FROM
    (
        SELECT sightlineAttributes(rs.resource.attributes) AS resource, arrayJoin(rs.scope_spans) AS scope_spans
        FROM (SELECT arrayJoin(resource_spans) AS rs FROM otlp_traces)
    )
);
