-- The official exporter's table, generation 1 (contrib exporter/clickhouseexporter up to v0.162): names and types are its contract.
-- The last line of SETTINGS is ours: a part is fsynced before the INSERT is answered, and a replayed segment is recognised.
CREATE TABLE IF NOT EXISTS otel_traces
(
    Timestamp DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    TraceId String CODEC(ZSTD(1)),
    SpanId String CODEC(ZSTD(1)),
    ParentSpanId String CODEC(ZSTD(1)),
    TraceState String CODEC(ZSTD(1)),
    SpanName LowCardinality(String) CODEC(ZSTD(1)),
    SpanKind LowCardinality(String) CODEC(ZSTD(1)),
    ServiceName LowCardinality(String) CODEC(ZSTD(1)),
    ResourceAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    ScopeName String CODEC(ZSTD(1)),
    ScopeVersion String CODEC(ZSTD(1)),
    SpanAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    Duration UInt64 CODEC(ZSTD(1)),
    StatusCode LowCardinality(String) CODEC(ZSTD(1)),
    StatusMessage String CODEC(ZSTD(1)),
    Events Nested (Timestamp DateTime64(9), Name LowCardinality(String), Attributes Map(LowCardinality(String), String)) CODEC(ZSTD(1)),
    Links Nested (TraceId String, SpanId String, TraceState String, Attributes Map(LowCardinality(String), String)) CODEC(ZSTD(1)),
    INDEX idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX idx_res_attr_key mapKeys(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_res_attr_value mapValues(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_span_attr_key mapKeys(SpanAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_span_attr_value mapValues(SpanAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_duration Duration TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toDate(Timestamp)
ORDER BY (ServiceName, SpanName, toDateTime(Timestamp))
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1,
    fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 10000;

-- Duration is unsigned: a span that ends before it starts is stored with 0, where the official exporter wraps around to
-- some 585 years. That is the one column that differs from its rows on purpose; clamped_spans counts how often.
CREATE MATERIALIZED VIEW IF NOT EXISTS otlp_traces_to_otel_traces TO otel_traces AS
SELECT
    fromUnixTimestamp64Nano(toInt64(s.start_time_unix_nano), 'UTC') AS Timestamp,
    sightlineHexId(s.trace_id) AS TraceId,
    sightlineHexId(s.span_id) AS SpanId,
    sightlineHexId(s.parent_span_id) AS ParentSpanId,
    s.trace_state AS TraceState,
    s.name AS SpanName,
    ['Unspecified', 'Internal', 'Server', 'Client', 'Producer', 'Consumer'][greatest(s.kind, -1) + 1] AS SpanKind,
    resource['service.name'] AS ServiceName,
    resource AS ResourceAttributes,
    scope.name AS ScopeName,
    scope.version AS ScopeVersion,
    sightlineAttributes(s.attributes) AS SpanAttributes,
    if(s.end_time_unix_nano > s.start_time_unix_nano, s.end_time_unix_nano - s.start_time_unix_nano, 0) AS Duration,
    ['Unset', 'Ok', 'Error'][greatest(s.status.code, -1) + 1] AS StatusCode,
    s.status.message AS StatusMessage,
    arrayMap(e -> fromUnixTimestamp64Nano(toInt64(e.time_unix_nano), 'UTC'), s.events) AS `Events.Timestamp`,
    s.events.name AS `Events.Name`,
    arrayMap(e -> sightlineAttributes(e.attributes), s.events) AS `Events.Attributes`,
    arrayMap(l -> sightlineHexId(l.trace_id), s.links) AS `Links.TraceId`,
    arrayMap(l -> sightlineHexId(l.span_id), s.links) AS `Links.SpanId`,
    s.links.trace_state AS `Links.TraceState`,
    arrayMap(l -> sightlineAttributes(l.attributes), s.links) AS `Links.Attributes`
FROM
(
    SELECT resource, scope_spans.scope AS scope, arrayJoin(scope_spans.spans) AS s
    FROM
    (
        SELECT sightlineAttributes(rs.resource.attributes) AS resource, arrayJoin(rs.scope_spans) AS scope_spans
        FROM (SELECT arrayJoin(resource_spans) AS rs FROM otlp_traces)
    )
);

-- Where in time a trace is, so that reading one by its id opens only its own parts.
CREATE TABLE IF NOT EXISTS otel_traces_trace_id_ts
(
    TraceId String CODEC(ZSTD(1)),
    Start DateTime CODEC(Delta(4), ZSTD(1)),
    End DateTime CODEC(Delta(4), ZSTD(1)),
    INDEX idx_trace_id TraceId TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toDate(Start)
ORDER BY (TraceId, Start)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1,
    fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS otel_traces_trace_id_ts_mv TO otel_traces_trace_id_ts AS
SELECT TraceId, toDateTime(min(Timestamp)) AS Start, toDateTime(max(Timestamp)) AS End
FROM otel_traces WHERE TraceId != '' GROUP BY TraceId;

-- Spans that said they ended before they started, by the hour of their start: their Duration is stored as 0.
CREATE TABLE IF NOT EXISTS clamped_spans
(
    ServiceName LowCardinality(String),
    Hour DateTime,
    Spans SimpleAggregateFunction(sum, UInt64)
)
ENGINE = AggregatingMergeTree ORDER BY (ServiceName, Hour)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS otlp_traces_to_clamped_spans TO clamped_spans AS
SELECT
    r.4[indexOf(r.3, 'service.name')] AS ServiceName,
    toStartOfHour(sightlineSeconds(arrayJoin(arrayFilter((start, end) -> end < start, arrayFlatten(r.1), arrayFlatten(r.2))))) AS Hour,
    count() AS Spans
FROM
(
    -- Only these four are read, of requests that hold such a span: nearly none does. A name that is no text counts as ''.
    SELECT arrayJoin(arrayZip(
        resource_spans.scope_spans.spans.start_time_unix_nano, resource_spans.scope_spans.spans.end_time_unix_nano,
        resource_spans.resource.attributes.key, resource_spans.resource.attributes.value.string_value)) AS r
    FROM otlp_traces
    WHERE arrayExists((start, end) -> end < start,
        arrayFlatten(resource_spans.scope_spans.spans.start_time_unix_nano),
        arrayFlatten(resource_spans.scope_spans.spans.end_time_unix_nano))
)
GROUP BY ServiceName, Hour;
