CREATE MATERIALIZED VIEW otlp_metrics_each_to_otel_metrics_summary TO otel_metrics_summary AS
SELECT
    ResourceAttributes, ResourceSchemaUrl, ScopeName, ScopeVersion, ScopeAttributes, ScopeDroppedAttrCount, ScopeSchemaUrl,
    ServiceName, MetricName, MetricDescription, MetricUnit,
    sightlineAttributes(p.attributes) AS Attributes,
    sightlineSeconds(p.start_time_unix_nano) AS StartTimeUnix,
    sightlineSeconds(p.time_unix_nano) AS TimeUnix,
    p.count AS Count,
    p.sum AS Sum,
    p.quantile_values.quantile AS `ValueAtQuantiles.Quantile`,
    p.quantile_values.value AS `ValueAtQuantiles.Value`,
    p.flags AS Flags
FROM (SELECT *, arrayJoin(summary.data_points) AS p FROM otlp_metrics_each);
