-- Narrow tables that pages and evals read. Views fill them from the official tables, so any writer of those fills them too
-- (sql/views/typed: whatever convention a span speaks, it lands in the same columns). Prompts and answers are not here.
-- Times are in ms (Float64) unless a name says otherwise; a value that no span reports is NULL, never 0.
-- Sorted by five minutes, then tenant (stages by sample first): the last hour reads its own rows only, and of one tenant fewer.
-- A trace's rows are found by its time, which otel_traces_trace_id_ts tells, so ids have no index. They are random, and every
-- merge writes them anew: packing them to half their bytes (ZSTD) makes a merge a fifth dearer.
-- TraceHash stands for TraceId where questions join by trace or count traces: a quarter of the bytes, and no unpacking.

-- One row a request (conventions/requests.py): the span marked sightline.stage = 'request', else the span without a parent,
-- else the topmost span below a parent that was never exported. A root span that only calls another service is no request:
-- that service's span is; nor is work that answers nobody. A model called from nowhere is one.
-- TtftDefinition says whose TtftMs it is: 'delivered' is measured at the edge, 'first_token' and 'first_chunk' by a model's
-- instrumentation, where the request is one call. What a request spent stands in llm_calls, by TraceId.
CREATE TABLE IF NOT EXISTS requests
(
    Timestamp DateTime64(9) CODEC(T64, LZ4),
    TraceId String,
    TraceHash UInt64 MATERIALIZED cityHash64(TraceId) CODEC(NONE),
    SpanId String,
    ParentSpanId String,
    ServiceName LowCardinality(String),
    Name LowCardinality(String),
    Route LowCardinality(String),
    Tenant LowCardinality(String),
    UserId String CODEC(ZSTD(1)),
    SessionId String CODEC(ZSTD(1)),
    Convention LowCardinality(String),
    StatusCode LowCardinality(String),
    HttpStatus UInt16,
    ErrorType LowCardinality(String),
    Outcome LowCardinality(String),
    DurationMs Float64,
    TtftMs Nullable(Float64),
    TtftDefinition LowCardinality(String)
)
ENGINE = MergeTree PARTITION BY toDate(Timestamp) ORDER BY (toStartOfFiveMinutes(Timestamp), Tenant, Timestamp)
SETTINGS ttl_only_drop_parts = 1, fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 10000;

-- One row a call of a model that generates text. InputTokens hold the cache tokens and OutputTokens the reasoning tokens,
-- whatever the span counts; CacheAdded says that the view had to add the former. Where two instrumentations tell the same
-- call (conventions/calls.py), it stands here once, as reported by the one that knows its tokens, the inner one if both do;
-- tellings of several INSERTs are brought together by the janitor (settle.py).
-- ToldCostUsd is what the span says; costs shown are computed from tokens and prices.
CREATE TABLE IF NOT EXISTS llm_calls
(
    Timestamp DateTime64(9) CODEC(T64, LZ4),
    TraceId String,
    TraceHash UInt64 MATERIALIZED cityHash64(TraceId) CODEC(NONE),
    SpanId String,
    ParentSpanId String,
    ServiceName LowCardinality(String),
    Tenant LowCardinality(String),
    UserId String CODEC(ZSTD(1)),
    SessionId String CODEC(ZSTD(1)),
    Convention LowCardinality(String),
    Operation LowCardinality(String),
    Provider LowCardinality(String),
    RequestModel LowCardinality(String),
    ResponseModel LowCardinality(String),
    PricedAs LowCardinality(String),
    Note LowCardinality(String),
    ServiceTier LowCardinality(String),
    Streaming Nullable(Bool),
    FinishReason LowCardinality(String),
    InputTokens Nullable(UInt64),
    OutputTokens Nullable(UInt64),
    CacheReadTokens Nullable(UInt64),
    CacheWriteTokens Nullable(UInt64),
    CacheWrite1hTokens Nullable(UInt64),
    ReasoningTokens Nullable(UInt64),
    InputAudioTokens Nullable(UInt64),
    OutputAudioTokens Nullable(UInt64),
    CacheAdded Bool,
    ToldCostUsd Nullable(Float64),
    DurationMs Float64,
    TtftMs Nullable(Float64),
    TtftDefinition LowCardinality(String),
    LongestStallMs Nullable(Float64),
    Chunks Nullable(UInt32),
    Outcome LowCardinality(String),
    StatusCode LowCardinality(String),
    ErrorType LowCardinality(String),
    PriceKey LowCardinality(String) MATERIALIZED if(PricedAs != '', PricedAs, concat(Provider, '/', if(ResponseModel != '', ResponseModel, RequestModel)))
)
ENGINE = MergeTree PARTITION BY toDate(Timestamp) ORDER BY (toStartOfFiveMinutes(Timestamp), Tenant, Timestamp)
SETTINGS ttl_only_drop_parts = 1, fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 10000;

-- One row a retrieval: what was asked of which collection, and what came back. IsEmpty: the span says that nothing came back.
-- QuerySketch is a few numbers of the query's vector or text, for drift; the text itself is not here. TopScore is the best
-- one: the smallest where ScoreKind is 'distance', else the greatest.
CREATE TABLE IF NOT EXISTS retrievals
(
    Timestamp DateTime64(9) CODEC(T64, LZ4),
    TraceId String,
    TraceHash UInt64 MATERIALIZED cityHash64(TraceId) CODEC(NONE),
    SpanId String,
    ParentSpanId String,
    ServiceName LowCardinality(String),
    Tenant LowCardinality(String),
    Convention LowCardinality(String),
    System LowCardinality(String),
    Collection LowCardinality(String),
    Operation LowCardinality(String),
    Embedding LowCardinality(String),
    EmbeddingVersion LowCardinality(String),
    IndexVersion LowCardinality(String),
    QuerySketch String CODEC(ZSTD(1)),
    QuerySketchVersion LowCardinality(String),
    ScoreKind LowCardinality(String),
    TopK Nullable(UInt32),
    Returned Nullable(UInt32),
    IsEmpty Bool,
    IsStale Nullable(Bool),
    DocumentIds Array(String) CODEC(ZSTD(1)),
    Scores Array(Nullable(Float64)) CODEC(ZSTD(1)),
    TopScore Nullable(Float64),
    DurationMs Float64,
    StatusCode LowCardinality(String),
    ErrorType LowCardinality(String)
)
ENGINE = MergeTree PARTITION BY toDate(Timestamp) ORDER BY (toStartOfFiveMinutes(Timestamp), Tenant, Timestamp)
SETTINGS ttl_only_drop_parts = 1, fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 10000;

-- One row a call that turns text into vectors. Texts: how many.
CREATE TABLE IF NOT EXISTS embeddings
(
    Timestamp DateTime64(9) CODEC(T64, LZ4),
    TraceId String,
    TraceHash UInt64 MATERIALIZED cityHash64(TraceId) CODEC(NONE),
    SpanId String,
    ParentSpanId String,
    ServiceName LowCardinality(String),
    Tenant LowCardinality(String),
    UserId String CODEC(ZSTD(1)),
    SessionId String CODEC(ZSTD(1)),
    Convention LowCardinality(String),
    Provider LowCardinality(String),
    RequestModel LowCardinality(String),
    ResponseModel LowCardinality(String),
    PricedAs LowCardinality(String),
    Embedding LowCardinality(String),
    EmbeddingVersion LowCardinality(String),
    Dimensions Nullable(UInt32),
    Texts Nullable(UInt32),
    InputTokens Nullable(UInt64),
    ToldCostUsd Nullable(Float64),
    DurationMs Float64,
    StatusCode LowCardinality(String),
    ErrorType LowCardinality(String),
    PriceKey LowCardinality(String) MATERIALIZED if(PricedAs != '', PricedAs, concat(Provider, '/', if(ResponseModel != '', ResponseModel, RequestModel)))
)
ENGINE = MergeTree PARTITION BY toDate(Timestamp) ORDER BY (toStartOfFiveMinutes(Timestamp), Tenant, Timestamp)
SETTINGS ttl_only_drop_parts = 1, fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 10000;

-- One row a stage of a request: where its time went. Every 16th trace is in sample 1, every 256th in sample 2: a question
-- that samples reads those alone, since they stand together.
CREATE TABLE IF NOT EXISTS stages
(
    Timestamp DateTime64(9) CODEC(T64, LZ4),
    TraceId String,
    TraceHash UInt64 MATERIALIZED cityHash64(TraceId) CODEC(NONE),
    Sample UInt8 MATERIALIZED (TraceHash % 16 = 0) + (TraceHash % 256 = 0),
    SpanId String,
    ParentSpanId String,
    ServiceName LowCardinality(String),
    Tenant LowCardinality(String),
    Stage LowCardinality(String),
    Name LowCardinality(String),
    Convention LowCardinality(String),
    DurationMs Float64,
    TtftMs Nullable(Float64),
    TtftDefinition LowCardinality(String),
    StatusCode LowCardinality(String),
    ErrorType LowCardinality(String),
    Flagged Bool
)
ENGINE = MergeTree PARTITION BY toDate(Timestamp) ORDER BY (Sample, toStartOfFiveMinutes(Timestamp), Tenant, Timestamp)
SETTINGS ttl_only_drop_parts = 1, fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 10000;

-- One row a span that failed, whatever it was. Message holds at most 1000 characters.
CREATE TABLE IF NOT EXISTS errors
(
    Timestamp DateTime64(9) CODEC(T64, LZ4),
    TraceId String,
    SpanId String,
    ParentSpanId String,
    ServiceName LowCardinality(String),
    Tenant LowCardinality(String),
    Stage LowCardinality(String),
    Name LowCardinality(String),
    ErrorType LowCardinality(String),
    Message String CODEC(ZSTD(1)),
    DurationMs Float64
)
ENGINE = MergeTree PARTITION BY toDate(Timestamp) ORDER BY (toStartOfFiveMinutes(Timestamp), Tenant, Timestamp)
SETTINGS ttl_only_drop_parts = 1, fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 10000;

-- One row a score of an answer: evaluation results and human feedback. Value is NULL where the judge failed: never a pass.
CREATE TABLE IF NOT EXISTS scores
(
    Timestamp DateTime64(9) CODEC(T64, LZ4),
    TraceId String CODEC(ZSTD(1)),
    TraceHash UInt64 MATERIALIZED cityHash64(TraceId) CODEC(NONE),
    SpanId String CODEC(ZSTD(1)),
    ServiceName LowCardinality(String),
    Name LowCardinality(String),
    Value Nullable(Float64),
    Label LowCardinality(String),
    Explanation String CODEC(ZSTD(1)),
    Judge LowCardinality(String),
    JudgeVersion LowCardinality(String),
    RunId LowCardinality(String),
    Source LowCardinality(String),
    Note LowCardinality(String),
    ErrorType LowCardinality(String),
    INDEX idx_trace_id TraceId TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = MergeTree PARTITION BY toDate(Timestamp) ORDER BY (toStartOfFiveMinutes(Timestamp), Name, Timestamp)
SETTINGS ttl_only_drop_parts = 1, fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 10000;

-- Spans of each process that numbers them, by the minute in which they began: a span gets its number when it begins and
-- comes when it has ended, so among minutes that are over the highest number against the count shows what never arrived.
CREATE TABLE IF NOT EXISTS instances
(
    ServiceName LowCardinality(String),
    InstanceId String,
    Minute DateTime,
    FirstSeen SimpleAggregateFunction(min, DateTime),
    LastSeen SimpleAggregateFunction(max, DateTime),
    Spans SimpleAggregateFunction(sum, UInt64),
    HighestSequence SimpleAggregateFunction(max, UInt64)
)
ENGINE = AggregatingMergeTree ORDER BY (ServiceName, InstanceId, Minute)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 10000;
