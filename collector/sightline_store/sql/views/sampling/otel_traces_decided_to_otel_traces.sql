CREATE MATERIALIZED VIEW otel_traces_decided_to_otel_traces TO otel_traces AS
SELECT * EXCEPT (Weight) REPLACE (
    if(Weight = '1', SpanAttributes, mapSort((k, v) -> k,
        mapConcat(map('sightline.sampling.weight'::LowCardinality(String), Weight), SpanAttributes))) AS SpanAttributes)
FROM otel_traces_decided
WHERE Weight != '';
