-- Tail sampling: what the collector feeds where SIGHTLINE_COLLECTOR_SAMPLE_SHARE is below 1. Nothing here runs otherwise.
-- A segment comes with one record more, its last one, which holds its verdict. Each span takes one of two ways, never both:
--   kept          -> otel_traces, and from there into the typed tables, as all spans do without sampling
--   sampled out   -> otel_traces_sampled_out, which stores nothing and feeds the same typed tables
-- A view that is hung on otel_traces needs its twin on otel_traces_sampled_out: a unit test compares them.
CREATE TABLE otlp_traces_sampled ENGINE = Null EMPTY AS
SELECT
    resource_spans,
    defaultValueOfTypeName('Tuple(segment String, slow_ns UInt64, whole Array(String), salt String, below UInt64, weight String)') AS sampling
FROM otlp_traces;
