CREATE MATERIALIZED VIEW otlp_logs_to_otel_logs TO otel_logs AS
SELECT
    sightlineMoment(if(r.time_unix_nano = 0, r.observed_time_unix_nano, r.time_unix_nano)) AS Timestamp,
    sightlineHexId(r.trace_id) AS TraceId,
    sightlineHexId(r.span_id) AS SpanId,
    toUInt8(bitAnd(r.flags, 255)) AS TraceFlags,
    r.severity_text AS SeverityText,
    toUInt8(r.severity_number) AS SeverityNumber,
    resource['service.name'] AS ServiceName,
    sightlineText(r.body) AS Body,
    resource_schema_url AS ResourceSchemaUrl,
    resource AS ResourceAttributes,
    scope_logs.schema_url AS ScopeSchemaUrl,
    scope_logs.scope.name AS ScopeName,
    scope_logs.scope.version AS ScopeVersion,
    scope AS ScopeAttributes,
    sightlineAttributes(r.attributes) AS LogAttributes,
    r.event_name AS EventName
FROM
(
    SELECT resource, resource_schema_url, scope_logs, sightlineAttributes(scope_logs.scope.attributes) AS scope,
        arrayJoin(scope_logs.log_records) AS r
    FROM
    (
        SELECT sightlineAttributes(rl.resource.attributes) AS resource, rl.schema_url AS resource_schema_url,
            arrayJoin(rl.scope_logs) AS scope_logs
        FROM (SELECT arrayJoin(resource_logs) AS rl FROM otlp_logs)
    )
);
