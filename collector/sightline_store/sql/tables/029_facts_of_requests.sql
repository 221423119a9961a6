-- A row a request of an hour that is over, with what its trace tells beside it, so that a list or a search of a long window reads one
-- narrow table (docs/adr/023-facts-of-requests.md). Made is the version of the hour's rows: those that rollup_facts_made names last count.
-- Whose: a trace may hold calls and stages of other tenants. 0: it holds none; else it has two rows, 1 with all of them, which counts
-- where a question is about all tenants, and 2 with those of the request's tenant and of none. Calls and stages from five minutes
-- before the hour until an hour behind it count. CostUsd is NaN where the cost of a call is unknown, or there is none; Tokens is NULL
-- where no call tells any. Scores: the newest value of each name, but for those without one. All of it is read by LZ4, the default:
-- a question reads every row of its window.
CREATE TABLE IF NOT EXISTS rollup_facts
(
    Period UInt32,
    Start DateTime('UTC') CODEC(Delta, ZSTD(1)),
    Made UInt64 CODEC(Delta, ZSTD(1)),
    Whose UInt8,
    Timestamp DateTime64(9) CODEC(T64, LZ4),
    TraceHash UInt64 CODEC(NONE),
    ServiceName LowCardinality(String),
    Route LowCardinality(String),
    Tenant LowCardinality(String),
    UserId String,
    SessionId String,
    Failed UInt8,
    DurationMs Float64,
    TtftMs Nullable(Float64),
    Models Array(LowCardinality(String)),
    Stages Array(LowCardinality(String)),
    CostUsd Float64,
    Tokens Nullable(UInt64) CODEC(T64, LZ4),
    Scores Nested(Name LowCardinality(String), Value Float64)
)
ENGINE = MergeTree
PARTITION BY (Period, toYYYYMMDD(Start))
ORDER BY (Tenant, Timestamp)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- The hours that have such rows: Of is a hash of the rollups that they were made beside, Prices one of the prices that held
-- (sql/parts/facts_of.sql), Requests how many rows of requests they have.
CREATE TABLE IF NOT EXISTS rollup_facts_made
(
    Period UInt32,
    Start DateTime('UTC') CODEC(Delta, ZSTD(1)),
    Made UInt64 CODEC(Delta, ZSTD(1)),
    Of UInt64 CODEC(ZSTD(1)),
    Prices UInt64 CODEC(ZSTD(1)),
    Requests UInt64 CODEC(T64, ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY (Period, toYYYYMMDD(Start))
ORDER BY (Start, Made)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- The lists of the dearest and of the longest requests are read of these rows.
DROP TABLE IF EXISTS rollup_dearest;
ALTER TABLE rollup_requests DROP COLUMN IF EXISTS LongestTotal, DROP COLUMN IF EXISTS LongestTtft;
