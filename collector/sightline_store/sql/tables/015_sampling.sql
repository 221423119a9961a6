CREATE TABLE IF NOT EXISTS trace_notes
(
    IsWhole Bool,
    Segment String CODEC(ZSTD(1)),
    TraceId String CODEC(ZSTD(1)),
    Spans UInt64,
    NotedAt DateTime DEFAULT now()
)
ENGINE = ReplacingMergeTree PARTITION BY toStartOfHour(NotedAt) ORDER BY (IsWhole, Segment, TraceId)
TTL NotedAt + INTERVAL 1 DAY
SETTINGS ttl_only_drop_parts = 1, fsync_after_insert = 1, fsync_part_directory = 1;

-- How many spans were sampled out, by the hour of their start: with the rows of otel_traces, all that was received.
CREATE TABLE IF NOT EXISTS sampled_out_spans
(
    ServiceName LowCardinality(String),
    Hour DateTime,
    Spans SimpleAggregateFunction(sum, UInt64)
)
ENGINE = AggregatingMergeTree ORDER BY (ServiceName, Hour)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 10000;
