-- Fewer bytes on disk, at the same CPU of an INSERT (docs/adr/019-what-a-stored-span-costs.md).
-- Attributes, texts of events and bodies of logs have the table's codec, not one of their own: ZSTD(3) as they arrive, and what the
-- table's TTL says later (RECOMPRESS, schema/retention.py). Ids keep their own: higher levels make random hex digits longer.
-- A changed TTL is worked out for the parts that are there, and rewrites none of them: merges do, one after the other.
ALTER TABLE otel_traces
    MODIFY COLUMN TraceId String CODEC(ZSTD(3)),
    MODIFY COLUMN SpanId String CODEC(ZSTD(3)),
    MODIFY COLUMN ParentSpanId String CODEC(ZSTD(3)),
    MODIFY COLUMN ScopeName String CODEC(ZSTD(3)),
    MODIFY COLUMN ScopeVersion String CODEC(ZSTD(3)),
    MODIFY COLUMN StatusMessage String CODEC(Default),
    MODIFY COLUMN ResourceAttributes Map(LowCardinality(String), String) CODEC(Default),
    MODIFY COLUMN SpanAttributes Map(LowCardinality(String), String) CODEC(Default),
    MODIFY COLUMN `Events.Attributes` Array(Map(LowCardinality(String), String)) CODEC(Default);
ALTER TABLE otel_traces MODIFY SETTING default_compression_codec = 'ZSTD(3)', materialize_ttl_recalculate_only = 1;

ALTER TABLE otel_logs
    MODIFY COLUMN Body String CODEC(Default),
    MODIFY COLUMN ResourceAttributes Map(LowCardinality(String), String) CODEC(Default),
    MODIFY COLUMN LogAttributes Map(LowCardinality(String), String) CODEC(Default);
ALTER TABLE otel_logs MODIFY SETTING default_compression_codec = 'ZSTD(3)', materialize_ttl_recalculate_only = 1;

-- Typed rows: counts take the bits that they need (T64); scores and ids of passages are packed harder. Parts of INSERTs are compact,
-- which makes few files; merged ones of 1 MiB and more have a file a column, whose values are packed by themselves. A day that
-- nothing came to for six hours becomes one part: a question about a month opens all of them.
ALTER TABLE requests MODIFY COLUMN SpanId String CODEC(ZSTD(3));
ALTER TABLE requests MODIFY SETTING min_bytes_for_wide_part = 1048576, min_level_for_wide_part = 1,
    min_age_to_force_merge_seconds = 21600, min_age_to_force_merge_on_partition_only = 1;

ALTER TABLE llm_calls
    MODIFY COLUMN SpanId String CODEC(ZSTD(3)),
    MODIFY COLUMN ParentSpanId String CODEC(ZSTD(3)),
    MODIFY COLUMN InputTokens Nullable(UInt64) CODEC(T64, LZ4),
    MODIFY COLUMN OutputTokens Nullable(UInt64) CODEC(T64, LZ4),
    MODIFY COLUMN CacheReadTokens Nullable(UInt64) CODEC(T64, LZ4),
    MODIFY COLUMN CacheWriteTokens Nullable(UInt64) CODEC(T64, LZ4),
    MODIFY COLUMN CacheWrite1hTokens Nullable(UInt64) CODEC(T64, LZ4),
    MODIFY COLUMN ReasoningTokens Nullable(UInt64) CODEC(T64, LZ4),
    MODIFY COLUMN InputAudioTokens Nullable(UInt64) CODEC(T64, LZ4),
    MODIFY COLUMN OutputAudioTokens Nullable(UInt64) CODEC(T64, LZ4),
    MODIFY COLUMN LongestStallMs Nullable(Float64) CODEC(ZSTD(3)),
    MODIFY COLUMN Chunks Nullable(UInt32) CODEC(T64, LZ4);
ALTER TABLE llm_calls MODIFY SETTING min_bytes_for_wide_part = 1048576, min_level_for_wide_part = 1,
    min_age_to_force_merge_seconds = 21600, min_age_to_force_merge_on_partition_only = 1;

ALTER TABLE retrievals
    MODIFY COLUMN SpanId String CODEC(ZSTD(3)),
    MODIFY COLUMN ParentSpanId String CODEC(ZSTD(3)),
    MODIFY COLUMN DocumentIds Array(String) CODEC(ZSTD(3)),
    MODIFY COLUMN Scores Array(Nullable(Float64)) CODEC(ZSTD(3)),
    MODIFY COLUMN TopScore Nullable(Float64) CODEC(ZSTD(3));
ALTER TABLE retrievals MODIFY SETTING min_bytes_for_wide_part = 1048576, min_level_for_wide_part = 1,
    min_age_to_force_merge_seconds = 21600, min_age_to_force_merge_on_partition_only = 1;

ALTER TABLE embeddings
    MODIFY COLUMN SpanId String CODEC(ZSTD(3)),
    MODIFY COLUMN ParentSpanId String CODEC(ZSTD(3)),
    MODIFY COLUMN InputTokens Nullable(UInt64) CODEC(T64, LZ4);
ALTER TABLE embeddings MODIFY SETTING min_bytes_for_wide_part = 1048576, min_level_for_wide_part = 1,
    min_age_to_force_merge_seconds = 21600, min_age_to_force_merge_on_partition_only = 1;

ALTER TABLE stages
    MODIFY COLUMN SpanId String CODEC(ZSTD(3)),
    MODIFY COLUMN ParentSpanId String CODEC(ZSTD(3)),
    MODIFY COLUMN TtftMs Nullable(Float64) CODEC(ZSTD(3));
ALTER TABLE stages MODIFY SETTING min_bytes_for_wide_part = 1048576, min_level_for_wide_part = 1,
    min_age_to_force_merge_seconds = 21600, min_age_to_force_merge_on_partition_only = 1;

ALTER TABLE errors MODIFY SETTING min_age_to_force_merge_seconds = 21600, min_age_to_force_merge_on_partition_only = 1;
ALTER TABLE scores MODIFY SETTING min_age_to_force_merge_seconds = 21600, min_age_to_force_merge_on_partition_only = 1;
ALTER TABLE otel_traces_trace_id_ts MODIFY SETTING min_age_to_force_merge_seconds = 21600, min_age_to_force_merge_on_partition_only = 1;
