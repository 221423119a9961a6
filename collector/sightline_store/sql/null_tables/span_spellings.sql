-- Written by `python -m sightline_store.conventions.canonical` from the alias table (aliases.py): edit that.
CREATE TABLE span_spellings
(
    Timestamp DateTime64(9),
    TraceId String,
    SpanId String,
    ParentSpanId String,
    ServiceName LowCardinality(String),
    SpanName LowCardinality(String),
    SpanKind LowCardinality(String),
    ScopeName LowCardinality(String),
    StatusCode LowCardinality(String),
    StatusMessage String,
    Duration UInt64,
    Events Nested (Timestamp DateTime64(9), Name LowCardinality(String), Attributes Map(LowCardinality(String), String)),
    tenant_stamp String,
    has_gen_ai_key Bool,
    indexed_attributes Map(LowCardinality(String), String),
    spellings Array(Tuple(UInt16, String))
)
ENGINE = Null;
