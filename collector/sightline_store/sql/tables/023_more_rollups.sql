-- RowsFormat of a period says what its rows have (rollups/tables.py); 0 is what 022 has. The janitor makes those of an older one anew
-- while there are typed rows of them.
ALTER TABLE rollup_periods ADD COLUMN IF NOT EXISTS RowsFormat UInt8;

-- The requests of a period that took longest, in total and to the first token, at most 50 of each, in the order of the question
-- `traces`: minus the ms that it took, minus when it began in epoch ms, TraceHash, and when it began in epoch ns.
ALTER TABLE rollup_requests
    ADD COLUMN IF NOT EXISTS LongestTotal Array(Tuple(Float64, Int64, UInt64, Int64)) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS LongestTtft Array(Tuple(Float64, Int64, UInt64, Int64)) CODEC(ZSTD(1));

-- PricedAs is one more of the columns that divide the calls.
ALTER TABLE rollup_calls
    ADD COLUMN IF NOT EXISTS CacheReadCount UInt64 CODEC(T64, ZSTD(1)),
    ADD COLUMN IF NOT EXISTS ReasoningCount UInt64 CODEC(T64, ZSTD(1)),
    ADD COLUMN IF NOT EXISTS PricedAs LowCardinality(String);

-- How many different traces the calls of a period are of: Of is 'model' for those of each model, 'tenant' for those of each tenant
-- whatever the model, which is '' then. Each length of periods is counted by itself: a trace may lie in two minutes of one day.
CREATE TABLE IF NOT EXISTS rollup_callers
(
    Period UInt32,
    Start DateTime('UTC') CODEC(Delta, ZSTD(1)),
    Version UInt64 CODEC(Delta, ZSTD(1)),
    By LowCardinality(String),
    Of LowCardinality(String),
    Tenant LowCardinality(String),
    Model LowCardinality(String),
    Traces UInt64 CODEC(T64, ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY (Period, if(Period = 60, toYYYYMMDD(Start), toYYYYMM(Start)))
ORDER BY (By, Of, Tenant, Start)
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1;

-- Searches by what served them. First and Last are when the first and the last one began.
CREATE TABLE IF NOT EXISTS rollup_retrievals
(
    Period UInt32,
    Start DateTime('UTC') CODEC(Delta, ZSTD(1)),
    Version UInt64 CODEC(Delta, ZSTD(1)),
    By LowCardinality(String),
    Tenant LowCardinality(String),
    System LowCardinality(String),
    Collection LowCardinality(String),
    Operation LowCardinality(String),
    IndexVersion LowCardinality(String),
    Embedding LowCardinality(String),
    EmbeddingVersion LowCardinality(String),
    Searches UInt64 CODEC(T64, ZSTD(1)),
    Errors UInt64 CODEC(T64, ZSTD(1)),
    EmptyCount UInt64 CODEC(T64, ZSTD(1)),
    ReturnedCount UInt64 CODEC(T64, ZSTD(1)),
    ScoredCount UInt64 CODEC(T64, ZSTD(1)),
    FirstMs Int64 CODEC(T64, ZSTD(1)),
    LastMs Int64 CODEC(T64, ZSTD(1)),
    Score AggregateFunction(quantilesTDigest(0.1, 0.5, 0.9), Float64) CODEC(ZSTD(3)),
    Duration AggregateFunction(quantilesTDigest(0.5, 0.95), Float64) CODEC(ZSTD(3))
)
ENGINE = MergeTree
PARTITION BY (Period, if(Period = 60, toYYYYMMDD(Start), toYYYYMM(Start)))
ORDER BY (By, Tenant, Start)
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1;
