CREATE MATERIALIZED VIEW otlp_metrics_to_otlp_metrics_each TO otlp_metrics_each AS
SELECT
    resource AS ResourceAttributes,
    resource_schema_url AS ResourceSchemaUrl,
    scope_metrics.scope.name AS ScopeName,
    scope_metrics.scope.version AS ScopeVersion,
    scope AS ScopeAttributes,
    scope_metrics.scope.dropped_attributes_count AS ScopeDroppedAttrCount,
    scope_metrics.schema_url AS ScopeSchemaUrl,
    resource['service.name'] AS ServiceName,
    m.name AS MetricName,
    m.description AS MetricDescription,
    m.unit AS MetricUnit,
    m.gauge AS gauge,
    m.sum AS sum,
    m.histogram AS histogram,
    m.exponential_histogram AS exponential_histogram,
    m.summary AS summary
FROM
(
    SELECT resource, resource_schema_url, scope_metrics, sightlineAttributes(scope_metrics.scope.attributes) AS scope,
        arrayJoin(scope_metrics.metrics) AS m
    FROM
    (
        SELECT sightlineAttributes(rm.resource.attributes) AS resource, rm.schema_url AS resource_schema_url,
            arrayJoin(rm.scope_metrics) AS scope_metrics
        FROM (SELECT arrayJoin(resource_metrics) AS rm FROM otlp_metrics)
    )
);
