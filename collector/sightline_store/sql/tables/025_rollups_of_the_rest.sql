-- Which versions of services, indexes, embeddings and models were in use, as the question `used_over_time` tells them: Uses is how
-- often each was seen, FirstMs when the first time was. Of all tenants together (By is 'all', Tenant is '').
CREATE TABLE IF NOT EXISTS rollup_uses
(
    Period UInt32,
    Start DateTime('UTC') CODEC(Delta, ZSTD(1)),
    Version UInt64 CODEC(Delta, ZSTD(1)),
    By LowCardinality(String),
    Tenant LowCardinality(String),
    Kind LowCardinality(String),
    Subject LowCardinality(String),
    Value LowCardinality(String),
    Uses UInt64 CODEC(T64, ZSTD(1)),
    FirstMs Int64 CODEC(T64, ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY (Period, if(Period = 60, toYYYYMMDD(Start), toYYYYMM(Start)))
ORDER BY (By, Kind, Subject, Start)
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1;

-- Scores of the answers to the requests of a period, the newest of a name on an answer. ValueSum and Spread are of those with a
-- value, PartCount is how many of these are neither 0 nor 1. Lowest has at most 50, in the order of the question `score_list`: whether
-- there is no value, the value, minus when it was asked in epoch ms, TraceHash, and when it was asked in epoch ns.
CREATE TABLE IF NOT EXISTS rollup_scores
(
    Period UInt32,
    Start DateTime('UTC') CODEC(Delta, ZSTD(1)),
    Version UInt64 CODEC(Delta, ZSTD(1)),
    By LowCardinality(String),
    Tenant LowCardinality(String),
    Route LowCardinality(String),
    Name LowCardinality(String),
    Valued UInt64 CODEC(T64, ZSTD(1)),
    Failed UInt64 CODEC(T64, ZSTD(1)),
    PartCount UInt64 CODEC(T64, ZSTD(1)),
    ValueSum Float64 CODEC(ZSTD(1)),
    Spread AggregateFunction(stddevSampStable, Float64) CODEC(ZSTD(1)),
    Judges Array(String) CODEC(ZSTD(1)),
    Notes Array(String) CODEC(ZSTD(1)),
    Lowest Array(Tuple(Bool, Float64, Int64, UInt64, Int64)) CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY (Period, if(Period = 60, toYYYYMMDD(Start), toYYYYMM(Start)))
ORDER BY (By, Tenant, Route, Name, Start)
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1;

-- Until which state of its parts a day of scores was looked at: a score belongs to the day of its request, and may come later. Scores
-- of a line of rollup_looks stands for the parts of scores that had changed when the day was looked at last.
CREATE TABLE IF NOT EXISTS rollup_score_looks
(
    Day Date,
    Parts UInt64,
    LookedAt DateTime64(6) DEFAULT now64(6)
)
ENGINE = ReplacingMergeTree(LookedAt) ORDER BY Day;
ALTER TABLE rollup_looks ADD COLUMN IF NOT EXISTS Scores UInt64;

-- Notes of the calls of a row, at most 8.
ALTER TABLE rollup_calls ADD COLUMN IF NOT EXISTS Notes Array(String) CODEC(ZSTD(1));

-- Calls that make embeddings, as rollup_calls: they take tokens in alone. Shape has the bits 1 their number is known, 2 there are some.
CREATE TABLE IF NOT EXISTS rollup_embeddings
(
    Period UInt32,
    Start DateTime('UTC') CODEC(Delta, ZSTD(1)),
    Version UInt64 CODEC(Delta, ZSTD(1)),
    By LowCardinality(String),
    Tenant LowCardinality(String),
    Model LowCardinality(String),
    PriceKey LowCardinality(String),
    InputStep UInt32 CODEC(T64, ZSTD(1)),
    Shape UInt8 CODEC(ZSTD(1)),
    Calls UInt64 CODEC(T64, ZSTD(1)),
    InputCount UInt64 CODEC(T64, ZSTD(1)),
    ToldCount UInt64 CODEC(T64, ZSTD(1)),
    InputSum UInt64 CODEC(T64, ZSTD(1)),
    DurationSum Float64 CODEC(ZSTD(1)),
    ToldSum Float64 CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY (Period, if(Period = 60, toYYYYMMDD(Start), toYYYYMM(Start)))
ORDER BY (By, Tenant, Start)
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1;

-- Raw spans by service. Of all tenants together (By is 'all', Tenant is '').
CREATE TABLE IF NOT EXISTS rollup_spans
(
    Period UInt32,
    Start DateTime('UTC') CODEC(Delta, ZSTD(1)),
    Version UInt64 CODEC(Delta, ZSTD(1)),
    By LowCardinality(String),
    Tenant LowCardinality(String),
    Service LowCardinality(String),
    Spans UInt64 CODEC(T64, ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY (Period, if(Period = 60, toYYYYMMDD(Start), toYYYYMM(Start)))
ORDER BY (By, Service, Start)
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1;
