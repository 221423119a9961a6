CREATE MATERIALIZED VIEW otlp_metrics_each_to_otel_metrics_sum TO otel_metrics_sum AS
SELECT
    ResourceAttributes, ResourceSchemaUrl, ScopeName, ScopeVersion, ScopeAttributes, ScopeDroppedAttrCount, ScopeSchemaUrl,
    ServiceName, MetricName, MetricDescription, MetricUnit,
    sightlineAttributes(p.attributes) AS Attributes,
    sightlineSeconds(p.start_time_unix_nano) AS StartTimeUnix,
    sightlineSeconds(p.time_unix_nano) AS TimeUnix,
    sightlineNumber(p) AS Value,
    p.flags AS Flags,
    arrayMap(e -> sightlineAttributes(e.filtered_attributes), p.exemplars) AS `Exemplars.FilteredAttributes`,
    arrayMap(e -> sightlineSeconds(e.time_unix_nano), p.exemplars) AS `Exemplars.TimeUnix`,
    arrayMap(e -> sightlineNumber(e), p.exemplars) AS `Exemplars.Value`,
    arrayMap(e -> sightlineExemplarId(e.span_id, 8), p.exemplars) AS `Exemplars.SpanId`,
    arrayMap(e -> sightlineExemplarId(e.trace_id, 16), p.exemplars) AS `Exemplars.TraceId`,
    sum.aggregation_temporality AS AggregationTemporality,
    sum.is_monotonic AS IsMonotonic
FROM (SELECT *, arrayJoin(sum.data_points) AS p FROM otlp_metrics_each);
