-- Written by `python -m sightline_store.conventions.canonical` from the alias table (aliases.py): edit that.
CREATE TABLE spans_canonical
(
    Timestamp DateTime64(9),
    TraceId String,
    SpanId String,
    ParentSpanId String,
    ServiceName LowCardinality(String),
    Name LowCardinality(String),
    ScopeName LowCardinality(String),
    indexed_attributes Map(LowCardinality(String), String),
    EventNames Array(LowCardinality(String)),
    EventAttributes Array(Map(LowCardinality(String), String)),
    StatusCode LowCardinality(String),
    column_values Map(UInt8, String),
    Convention LowCardinality(String),
    StageAttribute LowCardinality(String),
    Kind LowCardinality(String),
    RequestRank UInt8,
    Tenant String,
    UserId String,
    SessionId String,
    ErrorType String,
    ErrorMessage String,
    DurationMs Float64,
    TtftMs Nullable(Float64),
    TtftDefinition LowCardinality(String),
    StoredAt DateTime64(6)
)
ENGINE = Null;
