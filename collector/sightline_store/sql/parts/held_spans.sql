-- The spans of some requests with their questions, answers and passages, and the logs inside them, a trace a row of `held`.
-- Parameters: trace_ids and started_ms (epoch ms) of the requests, side by side. Looked at is what began up to an hour
-- before or behind each of them, in the five minutes that the sorting keys find.
fromUnixTimestamp64Milli(arrayMin({started_ms:Array(Int64)}), 'UTC') - toIntervalHour(1) AS earliest,
fromUnixTimestamp64Milli(arrayMax({started_ms:Array(Int64)}), 'UTC') + toIntervalHour(1) AS latest,
-- include: content_keys.sql
{trace_ids:Array(String)} AS named,
arrayZip(named, {started_ms:Array(Int64)}) AS asked,
-- Each span of theirs that holds content, and each log of a span that does.
held AS
(
    SELECT TraceId, groupArray((SpanId, ParentSpanId, start_ns, end_ns, Stage, is_log, attributes, event_names, event_attributes)) AS spans, max(weight) AS sampling_weight, max(state) AS trace_state
    FROM
    (
        SELECT
            s.TraceId AS TraceId, s.SpanId AS SpanId, s.ParentSpanId AS ParentSpanId, toUnixTimestamp64Nano(s.Timestamp) AS start_ns, start_ns + toInt64(s.Duration) AS end_ns, toString(k.Stage) AS Stage, false AS is_log,
            CAST(mapApply((key, value) -> (key, if(length(value) > 1000000, leftUTF8(value, 1000000), value)), mapFilter((key, value) -> has(content_keys, key) OR match(key, content_prefixes), s.SpanAttributes)), 'Map(String, String)') AS attributes,
            CAST(arrayFilter((name, event) -> has(content_events, name) OR position(event['mlflow.chunk.value'], '"tool_calls": [') > 0, s.Events.Name, s.Events.Attributes), 'Array(String)') AS event_names,
            CAST(arrayMap(event -> mapApply((key, value) -> (key, if(length(value) > 1000000, leftUTF8(value, 1000000), value)), event), arrayFilter((event, name) -> has(content_events, name) OR position(event['mlflow.chunk.value'], '"tool_calls": [') > 0, s.Events.Attributes, s.Events.Name)), 'Array(Map(String, String))') AS event_attributes,
            toFloat64OrZero(s.SpanAttributes['sightline.sampling.weight']) AS weight, s.TraceState AS state
        FROM otel_traces AS s
        LEFT ANY JOIN
        (
            SELECT TraceId, SpanId, Stage FROM stages
            WHERE
                -- include: around_requests.sql
                AND TraceHash IN (SELECT cityHash64(arrayJoin(named)))
        ) AS k ON k.TraceId = s.TraceId AND k.SpanId = s.SpanId
        WHERE s.Timestamp >= earliest AND s.Timestamp <= latest AND (toStartOfFiveMinutes(s.Timestamp), s.TraceId) IN (
            SELECT toStartOfFiveMinutes(toDateTime(intDiv(arrayJoin(asked).2, 1000))) + 300 * arrayJoin(range(-12, 13)), arrayJoin(asked).1)
        UNION ALL
        SELECT
            TraceId, SpanId, '', toUnixTimestamp64Nano(Timestamp), toInt64(0), '', true,
            CAST(map(), 'Map(String, String)'), [if(EventName != '', EventName, LogAttributes['event.name'])], [mapUpdate(CAST(LogAttributes, 'Map(String, String)'), map('body', if(length(Body) > 1000000, leftUTF8(Body, 1000000), Body)))],
            toFloat64(0), ''
        FROM otel_logs
        WHERE
            -- include: around_requests.sql
            AND TraceId IN (SELECT arrayJoin(named)) AND has(content_events, if(EventName != '', EventName, LogAttributes['event.name']))
    )
    GROUP BY TraceId
)
