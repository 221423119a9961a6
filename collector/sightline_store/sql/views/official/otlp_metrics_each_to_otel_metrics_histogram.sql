CREATE MATERIALIZED VIEW otlp_metrics_each_to_otel_metrics_histogram TO otel_metrics_histogram AS
SELECT
    ResourceAttributes, ResourceSchemaUrl, ScopeName, ScopeVersion, ScopeAttributes, ScopeDroppedAttrCount, ScopeSchemaUrl,
    ServiceName, MetricName, MetricDescription, MetricUnit,
    sightlineAttributes(p.attributes) AS Attributes,
    sightlineSeconds(p.start_time_unix_nano) AS StartTimeUnix,
    sightlineSeconds(p.time_unix_nano) AS TimeUnix,
    p.count AS Count,
    p.sum AS Sum,
    p.bucket_counts AS BucketCounts,
    p.explicit_bounds AS ExplicitBounds,
    arrayMap(e -> sightlineAttributes(e.filtered_attributes), p.exemplars) AS `Exemplars.FilteredAttributes`,
    arrayMap(e -> sightlineSeconds(e.time_unix_nano), p.exemplars) AS `Exemplars.TimeUnix`,
    arrayMap(e -> sightlineNumber(e), p.exemplars) AS `Exemplars.Value`,
    arrayMap(e -> sightlineExemplarId(e.span_id, 8), p.exemplars) AS `Exemplars.SpanId`,
    arrayMap(e -> sightlineExemplarId(e.trace_id, 16), p.exemplars) AS `Exemplars.TraceId`,
    p.flags AS Flags,
    p.min AS Min,
    p.max AS Max,
    histogram.aggregation_temporality AS AggregationTemporality
FROM (SELECT *, arrayJoin(histogram.data_points) AS p FROM otlp_metrics_each);
