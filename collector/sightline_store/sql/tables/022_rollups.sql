-- Rollups (docs/adr/018-rollups.md): what the typed tables hold, added up by the janitor for each minute, hour and day that is
-- over. Period is its length in seconds, Start its first moment in UTC. A period that is made anew gets rows of a greater
-- Version beside the old ones; those of the greatest Version in rollup_periods count. By says which dimension a row is
-- for: 'all', 'tenant' or 'route'; the other dimensions are '' in it.

-- The periods that were made, each with what its rows were made of: Prints has a sum of hashes for each typed table
-- (rollups/fold.py), SourceRows is how many rows of all of them that were.
-- Cut: the bits of the sets whose values were too many to keep (1 all, 2 tenant, 4 route).
CREATE TABLE IF NOT EXISTS rollup_periods
(
    Period UInt32,
    Start DateTime('UTC') CODEC(Delta, ZSTD(1)),
    Version UInt64 CODEC(Delta, ZSTD(1)),
    Prints Array(UInt64) CODEC(ZSTD(1)),
    SourceRows UInt64 CODEC(T64, ZSTD(1)),
    Cut UInt8
)
ENGINE = ReplacingMergeTree(Version)
PARTITION BY (Period, if(Period = 60, toYYYYMMDD(Start), toYYYYMM(Start)))
ORDER BY (Period, Start)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- Until which state of its parts a day was looked at.
CREATE TABLE IF NOT EXISTS rollup_looks
(
    Day Date,
    Parts UInt64,
    LookedAt DateTime64(6) DEFAULT now64(6)
)
ENGINE = ReplacingMergeTree(LookedAt) ORDER BY Day;

-- Times to first token stand apart by their definition, as questions show one of them.
CREATE TABLE IF NOT EXISTS rollup_requests
(
    Period UInt32,
    Start DateTime('UTC') CODEC(Delta, ZSTD(1)),
    Version UInt64 CODEC(Delta, ZSTD(1)),
    By LowCardinality(String),
    Tenant LowCardinality(String),
    Route LowCardinality(String),
    Requests UInt64 CODEC(T64, ZSTD(1)),
    Errors UInt64 CODEC(T64, ZSTD(1)),
    DeliveredCount UInt64 CODEC(T64, ZSTD(1)),
    FirstTokenCount UInt64 CODEC(T64, ZSTD(1)),
    FirstChunkCount UInt64 CODEC(T64, ZSTD(1)),
    Delivered AggregateFunction(quantilesTDigest(0.5, 0.95, 0.99), Float64) CODEC(ZSTD(3)),
    FirstToken AggregateFunction(quantilesTDigest(0.5, 0.95, 0.99), Float64) CODEC(ZSTD(3)),
    FirstChunk AggregateFunction(quantilesTDigest(0.5, 0.95, 0.99), Float64) CODEC(ZSTD(3)),
    Total AggregateFunction(quantilesTDigest(0.5, 0.95, 0.99), Float64) CODEC(ZSTD(3))
)
ENGINE = MergeTree
PARTITION BY (Period, if(Period = 60, toYYYYMMDD(Start), toYYYYMM(Start)))
ORDER BY (By, Tenant, Route, Start)
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1;

-- Tokens by priced name, so that a corrected price re-prices them: the sums that sightlineCostUsd multiplies. InputStep and
-- Shape divide the calls by what decides which rate they have and whether their cost is known: InputStep is the thousands of
-- input tokens above 32,000, Shape has the bits 1 all tokens are known, 2 some input, 4 some output.
CREATE TABLE IF NOT EXISTS rollup_calls
(
    Period UInt32,
    Start DateTime('UTC') CODEC(Delta, ZSTD(1)),
    Version UInt64 CODEC(Delta, ZSTD(1)),
    By LowCardinality(String),
    Tenant LowCardinality(String),
    Model LowCardinality(String),
    PriceKey LowCardinality(String),
    ServiceTier LowCardinality(String),
    InputStep UInt32 CODEC(T64, ZSTD(1)),
    Shape UInt8 CODEC(ZSTD(1)),
    Calls UInt64 CODEC(T64, ZSTD(1)),
    InputCount UInt64 CODEC(T64, ZSTD(1)),
    OutputCount UInt64 CODEC(T64, ZSTD(1)),
    ToldCount UInt64 CODEC(T64, ZSTD(1)),
    InputSum UInt64 CODEC(T64, ZSTD(1)),
    OutputSum UInt64 CODEC(T64, ZSTD(1)),
    PlainInput UInt64 CODEC(T64, ZSTD(1)),
    PlainInputNoAudio UInt64 CODEC(T64, ZSTD(1)),
    CacheRead UInt64 CODEC(T64, ZSTD(1)),
    CacheWrite UInt64 CODEC(T64, ZSTD(1)),
    CacheWrite1h UInt64 CODEC(T64, ZSTD(1)),
    InputAudio UInt64 CODEC(T64, ZSTD(1)),
    PlainOutput UInt64 CODEC(T64, ZSTD(1)),
    PlainOutputNoAudio UInt64 CODEC(T64, ZSTD(1)),
    PlainOutputNoReasoning UInt64 CODEC(T64, ZSTD(1)),
    PlainOutputNoAudioNoReasoning UInt64 CODEC(T64, ZSTD(1)),
    OutputAudio UInt64 CODEC(T64, ZSTD(1)),
    Reasoning UInt64 CODEC(T64, ZSTD(1)),
    DurationSum Float64 CODEC(ZSTD(1)),
    ToldSum Float64 CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY (Period, if(Period = 60, toYYYYMMDD(Start), toYYYYMM(Start)))
ORDER BY (By, Tenant, Start)
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1;

-- Slowest: when the longest span of the stage began, and the hash of its trace.
CREATE TABLE IF NOT EXISTS rollup_stages
(
    Period UInt32,
    Start DateTime('UTC') CODEC(Delta, ZSTD(1)),
    Version UInt64 CODEC(Delta, ZSTD(1)),
    By LowCardinality(String),
    Tenant LowCardinality(String),
    Stage LowCardinality(String),
    Spans UInt64 CODEC(T64, ZSTD(1)),
    Errors UInt64 CODEC(T64, ZSTD(1)),
    FlaggedSpans UInt64 CODEC(T64, ZSTD(1)),
    Duration AggregateFunction(quantilesTDigest(0.5, 0.95, 0.99), Float64) CODEC(ZSTD(3)),
    Slowest AggregateFunction(argMax, Tuple(DateTime64(9), UInt64), Float64) CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY (Period, if(Period = 60, toYYYYMMDD(Start), toYYYYMM(Start)))
ORDER BY (By, Tenant, Stage, Start)
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1;
