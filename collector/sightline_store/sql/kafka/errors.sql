-- Messages that ClickHouse could not read as OTLP, as they came: none is lost and none holds up those behind it.
CREATE TABLE IF NOT EXISTS ${database}.kafka_errors
(
    ReadAt DateTime DEFAULT now(),
    Topic LowCardinality(String),
    Partition UInt64,
    Offset UInt64,
    SentAt Nullable(DateTime64(3)),
    MessageKey String CODEC(ZSTD(1)),
    Error String CODEC(ZSTD(1)),
    Message String CODEC(ZSTD(1))
)
ENGINE = MergeTree PARTITION BY toDate(ReadAt) ORDER BY (Topic, Partition, Offset)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
