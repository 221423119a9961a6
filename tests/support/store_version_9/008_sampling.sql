-- Tail sampling: what the collector feeds where SIGHTLINE_COLLECTOR_SAMPLE_SHARE is below 1. Nothing here runs otherwise.
-- A segment comes with one record more, its last one, which holds its verdict. Each span takes one of two ways, never both:
--   kept          -> otel_traces, and from there into the typed tables, as all spans do without sampling
--   sampled out   -> otel_traces_sampled_out, which stores nothing and feeds the same typed tables
-- A view that is hung on otel_traces needs its twin on otel_traces_sampled_out: a unit test compares them.
CREATE TABLE IF NOT EXISTS otlp_traces_sampled ENGINE = Null EMPTY AS
SELECT
    resource_spans,
    defaultValueOfTypeName('Tuple(segment String, slow_ns UInt64, whole Array(String), salt String, below UInt64, weight String)') AS sampling
FROM otlp_traces;

CREATE TABLE IF NOT EXISTS otel_traces_decided ENGINE = Null EMPTY AS SELECT *, '' AS Weight FROM otel_traces;

CREATE TABLE IF NOT EXISTS otel_traces_sampled_out ENGINE = Null EMPTY AS SELECT * FROM otel_traces;

-- Weight is '' for a span that is sampled out, '1' for one that is kept for what its trace is, and else one over the share.
-- A subquery of the source reads the block that is inserted. Its last row is the collector's own: a client that sends a
-- field of that number changes nothing.
CREATE MATERIALIZED VIEW IF NOT EXISTS otlp_traces_sampled_to_otel_traces_decided TO otel_traces_decided AS
WITH (SELECT groupArray(sampling)[-1] FROM otlp_traces_sampled) AS verdict
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
    arrayMap(l -> sightlineAttributes(l.attributes), s.links) AS `Links.Attributes`,
    multiIf(
        TraceId = '' OR TraceId IN (SELECT arrayJoin(groupArray(sampling.whole)[-1]) FROM otlp_traces_sampled), '1',
        sipHash64(concat(verdict.salt, TraceId)) < verdict.below, verdict.weight,
        '') AS Weight
FROM
(
    SELECT resource, scope_spans.scope AS scope, arrayJoin(scope_spans.spans) AS s
    FROM
    (
        SELECT sightlineAttributes(rs.resource.attributes) AS resource, arrayJoin(rs.scope_spans) AS scope_spans
        FROM (SELECT arrayJoin(resource_spans) AS rs FROM otlp_traces_sampled)
    )
);

CREATE MATERIALIZED VIEW IF NOT EXISTS otel_traces_decided_to_otel_traces TO otel_traces AS
SELECT * EXCEPT (Weight) REPLACE (
    if(Weight = '1', SpanAttributes, mapSort((k, v) -> k,
        mapConcat(map('sightline.sampling.weight'::LowCardinality(String), Weight), SpanAttributes))) AS SpanAttributes)
FROM otel_traces_decided
WHERE Weight != '';

CREATE MATERIALIZED VIEW IF NOT EXISTS otel_traces_decided_to_otel_traces_sampled_out TO otel_traces_sampled_out AS
SELECT * EXCEPT (Weight) FROM otel_traces_decided WHERE Weight = '';

-- What each segment knows of its traces, noted when it is closed and asked when its window is over. IsWhole: it holds an
-- error or a slow span, so all of the trace is kept. Noting a segment twice changes no answer.
CREATE TABLE IF NOT EXISTS otlp_traces_noted
(
    resource_spans Array(Tuple(scope_spans Array(Tuple(spans Array(Tuple(
        trace_id String, start_time_unix_nano UInt64, end_time_unix_nano UInt64, status Tuple(code Int32))))))),
    sampling Tuple(segment String, slow_ns UInt64)
)
ENGINE = Null;

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

CREATE MATERIALIZED VIEW IF NOT EXISTS otlp_traces_noted_to_trace_notes TO trace_notes AS
WITH (SELECT groupArray(sampling)[-1] FROM otlp_traces_noted) AS note
SELECT
    max(s.status.code = 2 OR (s.end_time_unix_nano > s.start_time_unix_nano AND s.end_time_unix_nano - s.start_time_unix_nano >= note.slow_ns)) AS IsWhole,
    note.segment AS Segment,
    sightlineHexId(s.trace_id) AS TraceId,
    count() AS Spans
FROM
(
    SELECT arrayJoin(arrayFlatten(rs.scope_spans.spans)) AS s
    FROM (SELECT arrayJoin(resource_spans) AS rs FROM otlp_traces_noted)
)
GROUP BY s.trace_id;

-- How many spans were sampled out, by the hour of their start: with the rows of otel_traces, all that was received.
CREATE TABLE IF NOT EXISTS sampled_out_spans
(
    ServiceName LowCardinality(String),
    Hour DateTime,
    Spans SimpleAggregateFunction(sum, UInt64)
)
ENGINE = AggregatingMergeTree ORDER BY (ServiceName, Hour)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS otel_traces_sampled_out_to_sampled_out_spans TO sampled_out_spans AS
SELECT ServiceName, toStartOfHour(toDateTime(Timestamp)) AS Hour, count() AS Spans
FROM otel_traces_sampled_out
GROUP BY ServiceName, Hour;

-- The twins; that of spans_canonical stands in 009_canonical.sql.
CREATE MATERIALIZED VIEW IF NOT EXISTS otlp_traces_sampled_to_clamped_spans TO clamped_spans AS
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
    FROM otlp_traces_sampled
    WHERE arrayExists((start, end) -> end < start,
        arrayFlatten(resource_spans.scope_spans.spans.start_time_unix_nano),
        arrayFlatten(resource_spans.scope_spans.spans.end_time_unix_nano))
)
GROUP BY ServiceName, Hour;

CREATE MATERIALIZED VIEW IF NOT EXISTS otel_traces_sampled_out_trace_id_ts_mv TO otel_traces_trace_id_ts AS
SELECT TraceId, toDateTime(min(Timestamp)) AS Start, toDateTime(max(Timestamp)) AS End
FROM otel_traces_sampled_out WHERE TraceId != '' GROUP BY TraceId;

CREATE MATERIALIZED VIEW IF NOT EXISTS otel_traces_sampled_out_to_instances TO instances AS
SELECT
    ServiceName,
    ResourceAttributes['service.instance.id'] AS InstanceId,
    toDateTime(toStartOfMinute(min(Timestamp))) AS Minute,
    toDateTime(min(Timestamp)) AS FirstSeen,
    toDateTime(max(Timestamp)) AS LastSeen,
    count() AS Spans,
    max(toUInt64OrZero(SpanAttributes['sightline.span.sequence'])) AS HighestSequence
FROM otel_traces_sampled_out
WHERE mapContains(SpanAttributes, 'sightline.span.sequence')
GROUP BY ServiceName, InstanceId, toStartOfMinute(Timestamp);
