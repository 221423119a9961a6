-- Written by `python -m sightline_store.conventions.canonical` from the alias table (aliases.py): edit that.
CREATE TABLE calls_canonical
(
    Timestamp DateTime64(9),
    TraceId String,
    SpanId String,
    ParentSpanId String,
    ServiceName LowCardinality(String),
    ScopeName LowCardinality(String),
    Tenant LowCardinality(String),
    UserId String,
    SessionId String,
    Convention LowCardinality(String),
    Kind LowCardinality(String),
    Provider LowCardinality(String),
    RequestModel LowCardinality(String),
    indexed_attributes Map(LowCardinality(String), String),
    EventNames Array(LowCardinality(String)),
    EventAttributes Array(Map(LowCardinality(String), String)),
    column_values Map(UInt8, String),
    counts Map(UInt8, Nullable(UInt64)),
    ToldCostUsd Nullable(Float64),
    DurationMs Float64,
    TtftMs Nullable(Float64),
    TtftDefinition LowCardinality(String),
    StatusCode LowCardinality(String),
    ErrorType LowCardinality(String),
    facts Tuple(id UInt64, parent UInt64, service UInt64, scope UInt64, began Int64, length Int64, asked UInt64, answered UInt64, input Int64, output Int64, cached Int64, reasoning Int64, rank Int8),
    is_duplicate Bool,
    StoredAt DateTime64(6)
)
ENGINE = Null;
