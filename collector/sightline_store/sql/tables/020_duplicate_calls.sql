-- Spans that record a model call, an embedding or a search that another span of the trace records better
-- (conventions/calls.py): no rows of the tables of calls, but spans that come later are compared with them. Facts is what
-- that rule knows of a span: ids, services, scopes and names of models as hashes, times in ns, -1 for no number of tokens.
CREATE TABLE IF NOT EXISTS duplicate_calls
(
    Timestamp DateTime64(9) CODEC(T64, LZ4),
    TraceId String,
    TraceHash UInt64 MATERIALIZED cityHash64(TraceId) CODEC(NONE),
    Kind LowCardinality(String),
    Facts Tuple(id UInt64, parent UInt64, service UInt64, scope UInt64, began Int64, length Int64, asked UInt64, answered UInt64, input Int64, output Int64, cached Int64, reasoning Int64, rank Int8),
    StoredAt DateTime64(6) CODEC(Delta, LZ4)
)
ENGINE = MergeTree PARTITION BY toDate(Timestamp) ORDER BY (toStartOfFiveMinutes(Timestamp), TraceHash)
SETTINGS ttl_only_drop_parts = 1, fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 10000;

-- How much the span of a search knows: the `rank` of its Facts. 0 in rows from before.
ALTER TABLE retrievals ADD COLUMN IF NOT EXISTS CallRank Int8 AFTER ScopeName;

-- Up to which moment of storing the janitor has brought traces together (settle): the newest row counts.
CREATE TABLE IF NOT EXISTS settle_marks
(
    Id UInt8 DEFAULT 0,
    Until DateTime64(6),
    WrittenAt DateTime64(6) DEFAULT now64(6)
)
ENGINE = ReplacingMergeTree(WrittenAt) ORDER BY Id;
