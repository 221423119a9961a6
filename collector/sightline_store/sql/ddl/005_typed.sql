-- Narrow tables that pages and evals read. Views fill them from the official tables, so any writer of those fills them too.
-- Times are in ms (Float64) unless a name says otherwise; a value that was not told is NULL, never 0.

-- One row a request: the span marked sightline.stage = 'request', or the root span where nobody marked one. A root span
-- that only calls another service is no request: that service's span is. A model called from nowhere is one.
CREATE TABLE IF NOT EXISTS requests
(
    Timestamp DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    TraceId String CODEC(ZSTD(1)),
    SpanId String CODEC(ZSTD(1)),
    ServiceName LowCardinality(String),
    Name LowCardinality(String),
    Route LowCardinality(String),
    Tenant LowCardinality(String),
    UserId String CODEC(ZSTD(1)),
    SessionId String CODEC(ZSTD(1)),
    StatusCode LowCardinality(String),
    HttpStatus UInt16,
    ErrorType LowCardinality(String),
    DurationMs Float64,
    TtftMs Nullable(Float64),
    INDEX idx_trace_id TraceId TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_session SessionId TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = MergeTree PARTITION BY toDate(Timestamp) ORDER BY (toStartOfMinute(Timestamp), Timestamp)
SETTINGS ttl_only_drop_parts = 1, fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS otel_traces_to_requests TO requests AS
SELECT
    Timestamp, TraceId, SpanId, ServiceName, SpanName AS Name,
    SpanAttributes['http.route'] AS Route,
    if(ResourceAttributes['sightline.tenant'] != '', ResourceAttributes['sightline.tenant'], SpanAttributes['tenant.id']) AS Tenant,
    if(SpanAttributes['user.id'] != '', SpanAttributes['user.id'], SpanAttributes['enduser.id']) AS UserId,
    if(SpanAttributes['session.id'] != '', SpanAttributes['session.id'], SpanAttributes['gen_ai.conversation.id']) AS SessionId,
    StatusCode,
    toUInt16OrZero(if(SpanAttributes['http.response.status_code'] != '', SpanAttributes['http.response.status_code'], SpanAttributes['http.status_code'])) AS HttpStatus,
    SpanAttributes['error.type'] AS ErrorType,
    Duration / 1e6 AS DurationMs,
    toFloat64OrNull(SpanAttributes['sightline.response.time_to_first_token']) * 1e3 AS TtftMs
FROM otel_traces
WHERE SpanAttributes['sightline.stage'] = 'request'
    OR (ParentSpanId = '' AND SpanAttributes['sightline.stage'] IN ('', 'workflow', 'agent', 'model')
        AND (SpanKind NOT IN ('Client', 'Producer') OR SpanAttributes['gen_ai.operation.name'] != ''));

-- One row a call of a model that generates text.
CREATE TABLE IF NOT EXISTS llm_calls
(
    Timestamp DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    TraceId String CODEC(ZSTD(1)),
    SpanId String CODEC(ZSTD(1)),
    ParentSpanId String CODEC(ZSTD(1)),
    ServiceName LowCardinality(String),
    Tenant LowCardinality(String),
    UserId String CODEC(ZSTD(1)),
    SessionId String CODEC(ZSTD(1)),
    Operation LowCardinality(String),
    Provider LowCardinality(String),
    RequestModel LowCardinality(String),
    ResponseModel LowCardinality(String),
    PricedAs LowCardinality(String),
    Note LowCardinality(String),
    InputTokens Nullable(UInt64),
    OutputTokens Nullable(UInt64),
    CacheReadTokens Nullable(UInt64),
    CacheWriteTokens Nullable(UInt64),
    ReasoningTokens Nullable(UInt64),
    DurationMs Float64,
    TtftMs Nullable(Float64),
    LongestStallMs Nullable(Float64),
    Chunks Nullable(UInt32),
    Outcome LowCardinality(String),
    StatusCode LowCardinality(String),
    ErrorType LowCardinality(String),
    PriceKey LowCardinality(String) ALIAS if(PricedAs != '', PricedAs, concat(Provider, '/', if(ResponseModel != '', ResponseModel, RequestModel))),
    INDEX idx_trace_id TraceId TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = MergeTree PARTITION BY toDate(Timestamp) ORDER BY (toStartOfMinute(Timestamp), Timestamp)
SETTINGS ttl_only_drop_parts = 1, fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS otel_traces_to_llm_calls TO llm_calls AS
SELECT
    Timestamp, TraceId, SpanId, ParentSpanId, ServiceName,
    if(ResourceAttributes['sightline.tenant'] != '', ResourceAttributes['sightline.tenant'], SpanAttributes['tenant.id']) AS Tenant,
    SpanAttributes['user.id'] AS UserId,
    if(SpanAttributes['session.id'] != '', SpanAttributes['session.id'], SpanAttributes['gen_ai.conversation.id']) AS SessionId,
    SpanAttributes['gen_ai.operation.name'] AS Operation,
    if(SpanAttributes['gen_ai.provider.name'] != '', SpanAttributes['gen_ai.provider.name'], SpanAttributes['gen_ai.system']) AS Provider,
    SpanAttributes['gen_ai.request.model'] AS RequestModel,
    SpanAttributes['gen_ai.response.model'] AS ResponseModel,
    SpanAttributes['sightline.model.priced_as'] AS PricedAs,
    SpanAttributes['sightline.model.note'] AS Note,
    toUInt64OrNull(SpanAttributes['gen_ai.usage.input_tokens']) AS InputTokens,
    toUInt64OrNull(SpanAttributes['gen_ai.usage.output_tokens']) AS OutputTokens,
    toUInt64OrNull(SpanAttributes['gen_ai.usage.cache_read.input_tokens']) AS CacheReadTokens,
    toUInt64OrNull(SpanAttributes['gen_ai.usage.cache_creation.input_tokens']) AS CacheWriteTokens,
    toUInt64OrNull(SpanAttributes['gen_ai.usage.reasoning.output_tokens']) AS ReasoningTokens,
    Duration / 1e6 AS DurationMs,
    toFloat64OrNull(SpanAttributes['gen_ai.response.time_to_first_chunk']) * 1e3 AS TtftMs,
    toFloat64OrNull(SpanAttributes['sightline.stream.longest_stall']) * 1e3 AS LongestStallMs,
    toUInt32OrNull(SpanAttributes['sightline.stream.chunks']) AS Chunks,
    SpanAttributes['sightline.stream.outcome'] AS Outcome,
    StatusCode,
    SpanAttributes['error.type'] AS ErrorType
FROM otel_traces
WHERE SpanAttributes['gen_ai.operation.name'] IN ('chat', 'text_completion', 'generate_content');

-- One row a retrieval: what was asked of which collection, and what came back.
CREATE TABLE IF NOT EXISTS retrievals
(
    Timestamp DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    TraceId String CODEC(ZSTD(1)),
    SpanId String CODEC(ZSTD(1)),
    ServiceName LowCardinality(String),
    Tenant LowCardinality(String),
    System LowCardinality(String),
    Collection LowCardinality(String),
    Operation LowCardinality(String),
    Embedding LowCardinality(String),
    EmbeddingVersion LowCardinality(String),
    IndexVersion LowCardinality(String),
    TopK Nullable(UInt32),
    Returned Nullable(UInt32),
    DocumentIds Array(String) CODEC(ZSTD(1)),
    Scores Array(Nullable(Float64)) CODEC(ZSTD(1)),
    TopScore Nullable(Float64),
    DurationMs Float64,
    StatusCode LowCardinality(String),
    ErrorType LowCardinality(String),
    INDEX idx_trace_id TraceId TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = MergeTree PARTITION BY toDate(Timestamp) ORDER BY (toStartOfMinute(Timestamp), Timestamp)
SETTINGS ttl_only_drop_parts = 1, fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS otel_traces_to_retrievals TO retrievals AS
WITH JSONExtract(SpanAttributes['gen_ai.retrieval.documents'], 'Array(Tuple(id String, score Nullable(Float64)))') AS documents
SELECT
    Timestamp, TraceId, SpanId, ServiceName,
    if(ResourceAttributes['sightline.tenant'] != '', ResourceAttributes['sightline.tenant'], SpanAttributes['tenant.id']) AS Tenant,
    if(SpanAttributes['db.system.name'] != '', SpanAttributes['db.system.name'], SpanAttributes['db.system']) AS System,
    if(SpanAttributes['db.collection.name'] != '', SpanAttributes['db.collection.name'], SpanAttributes['gen_ai.data_source.id']) AS Collection,
    SpanAttributes['db.operation.name'] AS Operation,
    SpanAttributes['sightline.embedding.name'] AS Embedding,
    SpanAttributes['sightline.embedding.version'] AS EmbeddingVersion,
    SpanAttributes['sightline.index.version'] AS IndexVersion,
    toUInt32OrNull(SpanAttributes['gen_ai.request.top_k']) AS TopK,
    if(SpanAttributes['db.response.returned_rows'] != '', toUInt32OrNull(SpanAttributes['db.response.returned_rows']),
        if(mapContains(SpanAttributes, 'gen_ai.retrieval.documents'), toUInt32(length(documents)), NULL)) AS Returned,
    documents.id AS DocumentIds,
    documents.score AS Scores,
    if(empty(Scores), NULL, arrayMax(Scores)) AS TopScore,
    Duration / 1e6 AS DurationMs,
    StatusCode,
    SpanAttributes['error.type'] AS ErrorType
FROM otel_traces
WHERE SpanAttributes['gen_ai.operation.name'] = 'retrieval' OR SpanAttributes['sightline.stage'] = 'search';

-- One row a stage of a request: where its time went.
CREATE TABLE IF NOT EXISTS stages
(
    Timestamp DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    TraceId String CODEC(ZSTD(1)),
    SpanId String CODEC(ZSTD(1)),
    ParentSpanId String CODEC(ZSTD(1)),
    ServiceName LowCardinality(String),
    Tenant LowCardinality(String),
    Stage LowCardinality(String),
    Name LowCardinality(String),
    DurationMs Float64,
    TtftMs Nullable(Float64),
    StatusCode LowCardinality(String),
    Flagged Bool,
    INDEX idx_trace_id TraceId TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = MergeTree PARTITION BY toDate(Timestamp) ORDER BY (toStartOfMinute(Timestamp), Timestamp)
SETTINGS ttl_only_drop_parts = 1, fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS otel_traces_to_stages TO stages AS
SELECT
    Timestamp, TraceId, SpanId, ParentSpanId, ServiceName,
    if(ResourceAttributes['sightline.tenant'] != '', ResourceAttributes['sightline.tenant'], SpanAttributes['tenant.id']) AS Tenant,
    multiIf(
        SpanAttributes['sightline.stage'] != '', SpanAttributes['sightline.stage'],
        SpanAttributes['gen_ai.operation.name'] IN ('chat', 'text_completion', 'generate_content'), 'model',
        SpanAttributes['gen_ai.operation.name'] = 'embeddings', 'embed',
        SpanAttributes['gen_ai.operation.name'] = 'retrieval', 'search',
        SpanAttributes['gen_ai.operation.name'] = 'execute_tool', 'tool',
        '') AS Stage,
    SpanName AS Name,
    Duration / 1e6 AS DurationMs,
    toFloat64OrNull(SpanAttributes['gen_ai.response.time_to_first_chunk']) * 1e3 AS TtftMs,
    StatusCode,
    SpanAttributes['sightline.guardrail.flagged'] = 'true' AS Flagged
FROM otel_traces
WHERE Stage NOT IN ('', 'request', 'workflow');

-- One row a score of an answer: evaluation results and human feedback. Value is NULL where the judge failed: never a pass.
CREATE TABLE IF NOT EXISTS scores
(
    Timestamp DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    TraceId String CODEC(ZSTD(1)),
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
ENGINE = MergeTree PARTITION BY toDate(Timestamp) ORDER BY (toStartOfMinute(Timestamp), Timestamp)
SETTINGS ttl_only_drop_parts = 1, fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS otel_logs_to_scores TO scores AS
WITH toFloat64OrNull(LogAttributes['gen_ai.evaluation.score.value']) AS value
SELECT
    Timestamp, TraceId, SpanId, ServiceName,
    LogAttributes['gen_ai.evaluation.name'] AS Name,
    if(isFinite(value), value, NULL) AS Value,
    LogAttributes['gen_ai.evaluation.score.label'] AS Label,
    LogAttributes['gen_ai.evaluation.explanation'] AS Explanation,
    LogAttributes['sightline.evaluation.judge'] AS Judge,
    LogAttributes['sightline.evaluation.judge_version'] AS JudgeVersion,
    LogAttributes['sightline.evaluation.run.id'] AS RunId,
    LogAttributes['sightline.evaluation.source'] AS Source,
    LogAttributes['sightline.evaluation.note'] AS Note,
    LogAttributes['error.type'] AS ErrorType
FROM otel_logs
WHERE EventName = 'gen_ai.evaluation.result' OR LogAttributes['event.name'] = 'gen_ai.evaluation.result';

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

CREATE MATERIALIZED VIEW IF NOT EXISTS otel_traces_to_instances TO instances AS
SELECT
    ServiceName,
    ResourceAttributes['service.instance.id'] AS InstanceId,
    toDateTime(toStartOfMinute(min(Timestamp))) AS Minute,
    toDateTime(min(Timestamp)) AS FirstSeen,
    toDateTime(max(Timestamp)) AS LastSeen,
    count() AS Spans,
    max(toUInt64OrZero(SpanAttributes['sightline.span.sequence'])) AS HighestSequence
FROM otel_traces
WHERE mapContains(SpanAttributes, 'sightline.span.sequence')
GROUP BY ServiceName, InstanceId, toStartOfMinute(Timestamp);
