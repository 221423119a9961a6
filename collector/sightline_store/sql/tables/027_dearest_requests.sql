-- The requests of an hour or a day whose traces cost most: at most 50 of those whose cost is known, each minus what the model calls of
-- its trace cost together in USD, its TraceHash, and when it began in epoch ns. A call counts from five minutes before the period until
-- an hour behind it; of By = 'tenant' only calls of the tenant or of none. Of is a hash of what the list was made of
-- (sql/parts/dearest_of.sql), Made the version of the list: of a period that made last counts. Every period with a list has a row of By = 'all'.
CREATE TABLE IF NOT EXISTS rollup_dearest
(
    Period UInt32,
    Start DateTime('UTC') CODEC(Delta, ZSTD(1)),
    Made UInt64 CODEC(Delta, ZSTD(1)),
    Of UInt64 CODEC(ZSTD(1)),
    By LowCardinality(String),
    Tenant LowCardinality(String),
    Route LowCardinality(String),
    Model LowCardinality(String),
    Dearest Array(Tuple(Float64, UInt64, Int64)) CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY (Period, if(Period = 60, toYYYYMMDD(Start), toYYYYMM(Start)))
ORDER BY (By, Tenant, Route, Model, Start)
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1;
