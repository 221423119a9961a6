CREATE MATERIALIZED VIEW otel_traces_to_instances TO instances AS
SELECT
    ServiceName,
    ResourceAttributes['service.instance.id'] AS InstanceId,
    toDateTime(toStartOfMinute(min(Timestamp))) AS Minute,
    toDateTime(min(Timestamp)) AS FirstSeen,
    toDateTime(max(Timestamp)) AS LastSeen,
    count() AS Spans,
    max(toUInt64OrZero(SpanAttributes['sightline.span.sequence'])) AS HighestSequence
FROM otel_traces
WHERE mapContains(SpanAttributes, 'sightline.span.sequence')
GROUP BY ServiceName, InstanceId, toStartOfMinute(Timestamp);
