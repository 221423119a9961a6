-- What the model calls of an hour that is over spent, at the prices that hold: a row a session, user, tenant, model and routes of the
-- trace, so that spending by user or session of a long window reads a narrow table and prices no call
-- (docs/adr/024-spending-of-hours.md). Rows are made beside those of rollup_facts, with the same Made: rollup_facts_made says which
-- count, and at which prices they were made. Sums are NULL where no call tells a number. Traces is how many traces have calls in no
-- other row; SharedTraces are the hashes of those that have, in this hour or the one before or behind it. Rows of a day are sorted by
-- session, so that a session's are found; Made (the version in digits) has few values there, which a dictionary holds: to look
-- it up takes a tenth of the time.
CREATE TABLE IF NOT EXISTS rollup_spending
(
    Period UInt32,
    Start DateTime('UTC') CODEC(Delta, ZSTD(1)),
    Made LowCardinality(String),
    Tenant LowCardinality(String),
    UserId String CODEC(ZSTD(1)),
    SessionId String CODEC(ZSTD(1)),
    Model LowCardinality(String),
    Routes Array(LowCardinality(String)),
    Calls UInt32 CODEC(T64, LZ4),
    UnpricedCalls UInt32 CODEC(T64, LZ4),
    UncountedCalls UInt32 CODEC(T64, LZ4),
    ReportedCalls UInt32 CODEC(T64, LZ4),
    LocalCalls UInt32 CODEC(T64, LZ4),
    DifferingCalls UInt32 CODEC(T64, LZ4),
    Traces UInt32 CODEC(T64, LZ4),
    SharedTraces Array(UInt64),
    InputSum Nullable(UInt64) CODEC(T64, LZ4),
    CacheReadSum Nullable(UInt64) CODEC(T64, LZ4),
    OutputSum Nullable(UInt64) CODEC(T64, LZ4),
    ReasoningSum Nullable(UInt64) CODEC(T64, LZ4),
    CostSum Nullable(Float64),
    DifferingToldSum Float64,
    DifferingCostSum Float64,
    UnpricedExample LowCardinality(String),
    UnknownBecause LowCardinality(String),
    PriceNames Array(LowCardinality(String))
)
ENGINE = MergeTree
PARTITION BY (Period, toYYYYMMDD(Start))
ORDER BY (SessionId, UserId)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
