-- Answered requests that a judge can look at, each with the spans that hold its question, answer and passages.
-- Tenants take turns and traces without a score come first; within a tenant the order is a fixed shuffle, so that two runs
-- agree and a sample is no burst. A trace counts as scored when a RAGAS score of it holds, not when its judge failed.
-- What the content says is read by `sightline_store.contents`, which the pages use too.
-- Parameters: since_s (look back, seconds), limit (rows), only_unscored (1: leave scored traces out).
WITH
    now64(9) - toIntervalSecond({since_s:UInt64}) AS earliest,
    -- include: content_keys.sql
    scored AS
    (
        SELECT DISTINCT TraceId FROM scores
        WHERE Timestamp >= earliest AND Source = 'ragas' AND (Value IS NOT NULL OR ErrorType = '')
    ),
    -- Traces with an answer (1) and passages (2), by keys alone. A key that either may stand in (3) counts where a call of a model
    -- and one of a search are known.
    captured AS
    (
        SELECT TraceId
        FROM
        (
            SELECT TraceId, arrayConcat(
                arrayMap(key -> transform(key, telling_keys, telling_marks, toUInt8(0)), mapKeys(SpanAttributes)),
                arrayMap(name -> transform(name, telling_events, telling_event_marks, toUInt8(0)), Events.Name)) AS holds
            FROM otel_traces
            WHERE Timestamp >= earliest
            UNION ALL
            SELECT TraceId, [transform(if(EventName != '', EventName, LogAttributes['event.name']), telling_events, telling_event_marks, toUInt8(0))] AS holds
            FROM otel_logs
            WHERE Timestamp >= earliest AND has(telling_events, if(EventName != '', EventName, LogAttributes['event.name']))
        )
        WHERE has(holds, 1) OR has(holds, 2) OR has(holds, 3)
        GROUP BY TraceId
        HAVING (max(has(holds, 1)) AND max(has(holds, 2))) OR (
            max(has(holds, 3))
            AND (max(has(holds, 1)) OR cityHash64(TraceId) IN (SELECT TraceHash FROM llm_calls WHERE Timestamp >= earliest AND Convention != 'sightline'))
            AND (max(has(holds, 2)) OR cityHash64(TraceId) IN (SELECT TraceHash FROM retrievals WHERE Timestamp >= earliest AND Convention != 'sightline')))
    ),
    asked AS
    (
        SELECT Timestamp, TraceId, SpanId, Tenant, TraceId IN (SELECT TraceId FROM scored) AS Scored
        FROM requests
        WHERE Timestamp >= earliest AND StatusCode != 'Error' AND TraceId IN (SELECT TraceId FROM captured)
        ORDER BY isNotNull(TtftMs) DESC, Timestamp DESC
        LIMIT 1 BY TraceId
    ),
    -- A single value, so that it is computed once.
    (
        SELECT groupArray((TraceId, SpanId, Timestamp, Tenant))
        FROM
        (
            SELECT Timestamp, TraceId, SpanId, Tenant, row_number() OVER (PARTITION BY Scored, Tenant ORDER BY cityHash64(TraceId)) AS Turn
            FROM asked
            WHERE {only_unscored:UInt8} = 0 OR NOT Scored
            ORDER BY Scored, Turn, cityHash64(TraceId)
            LIMIT {limit:UInt64}
        )
    ) AS picked,
    chosen AS
    (
        SELECT request.1 AS TraceId, request.2 AS SpanId, request.3 AS Timestamp, request.4 AS Tenant, place
        FROM (SELECT picked AS every) ARRAY JOIN every AS request, arrayEnumerate(every) AS place
    ),
    calls AS
    (
        SELECT TraceId, groupArray((SpanId, toUnixTimestamp64Nano(Timestamp), toString(if(ResponseModel != '', ResponseModel, RequestModel)), toString(Note))) AS made
        FROM llm_calls
        WHERE Timestamp >= earliest AND TraceHash IN (SELECT cityHash64(TraceId) FROM chosen)
        GROUP BY TraceId
    ),
    -- Each span of theirs that holds content, and each log of a span that does.
    held AS
    (
        SELECT TraceId, groupArray((SpanId, ParentSpanId, start_ns, end_ns, Stage, is_log, attributes, event_names, event_attributes)) AS spans
        FROM
        (
            SELECT
                s.TraceId AS TraceId, s.SpanId AS SpanId, s.ParentSpanId AS ParentSpanId, toUnixTimestamp64Nano(s.Timestamp) AS start_ns, start_ns + toInt64(s.Duration) AS end_ns, toString(k.Stage) AS Stage, false AS is_log,
                CAST(mapApply((key, value) -> (key, if(length(value) > 1000000, leftUTF8(value, 1000000), value)), mapFilter((key, value) -> has(content_keys, key) OR match(key, content_prefixes), s.SpanAttributes)), 'Map(String, String)') AS attributes,
                CAST(arrayFilter((name, event) -> has(content_events, name) OR position(event['mlflow.chunk.value'], '"tool_calls": [') > 0, s.Events.Name, s.Events.Attributes), 'Array(String)') AS event_names,
                CAST(arrayMap(event -> mapApply((key, value) -> (key, if(length(value) > 1000000, leftUTF8(value, 1000000), value)), event), arrayFilter((event, name) -> has(content_events, name) OR position(event['mlflow.chunk.value'], '"tool_calls": [') > 0, s.Events.Attributes, s.Events.Name)), 'Array(Map(String, String))') AS event_attributes
            FROM otel_traces AS s
            LEFT ANY JOIN
            (
                SELECT TraceId, SpanId, Stage FROM stages WHERE Timestamp >= earliest AND TraceHash IN (SELECT cityHash64(TraceId) FROM chosen)
            ) AS k ON k.TraceId = s.TraceId AND k.SpanId = s.SpanId
            WHERE s.Timestamp >= earliest AND s.TraceId IN (SELECT TraceId FROM chosen)
            UNION ALL
            SELECT
                TraceId, SpanId, '', toUnixTimestamp64Nano(Timestamp), toInt64(0), '', true,
                CAST(map(), 'Map(String, String)'), [if(EventName != '', EventName, LogAttributes['event.name'])], [mapUpdate(CAST(LogAttributes, 'Map(String, String)'), map('body', if(length(Body) > 1000000, leftUTF8(Body, 1000000), Body)))]
            FROM otel_logs
            WHERE Timestamp >= earliest AND has(content_events, if(EventName != '', EventName, LogAttributes['event.name'])) AND TraceId IN (SELECT TraceId FROM chosen)
        )
        GROUP BY TraceId
    )
SELECT
    chosen.TraceId AS trace_id,
    chosen.SpanId AS span_id,
    chosen.Timestamp AS timestamp,
    chosen.Tenant AS tenant,
    held.spans AS spans,
    calls.made AS calls
FROM chosen
INNER JOIN held ON held.TraceId = chosen.TraceId
LEFT JOIN calls ON calls.TraceId = chosen.TraceId
ORDER BY chosen.place
