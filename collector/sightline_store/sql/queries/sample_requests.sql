-- Which answered requests does a judge look at? With how many there are to draw from, in all and of each tenant.
-- strategy: 'stratified' lets tenants take turns, requests without a score first; 'random' draws from all alike; 'low-score'
-- takes those that were judged worst, by their newest groundedness, else faithfulness; 'drifted' draws from `topic_trace_ids` alone. Within that the order is a shuffle that
-- the seed decides, so that two runs agree and a sample is no burst. A trace counts as scored when a RAGAS score or its groundedness holds,
-- not when its judge failed.
-- Parameters: since_s (look back, seconds), limit (rows), only_unscored (1: leave scored traces out), strategy, seed,
-- topic_trace_ids (of 'drifted').
WITH
    now64(9) - toIntervalSecond({since_s:UInt64}) AS earliest,
    -- include: content_keys.sql
    scored AS
    (
        SELECT DISTINCT TraceId FROM scores
        WHERE Timestamp >= earliest AND (Source = 'ragas' OR Name = 'groundedness') AND (Value IS NOT NULL OR ErrorType = '')
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
    judged AS
    (
        SELECT TraceId, coalesce(argMaxIf(Value, Timestamp, Name = 'groundedness'), argMaxIf(Value, Timestamp, Name = 'faithfulness')) AS Judged
        FROM scores
        WHERE {strategy:String} = 'low-score' AND Timestamp >= earliest AND Name IN ('groundedness', 'faithfulness') AND Value IS NOT NULL
        GROUP BY TraceId
    ),
    asked AS
    (
        SELECT Timestamp, TraceId, SpanId, Tenant, SessionId, TtftMs, DurationMs, TraceId IN (SELECT TraceId FROM scored) AS Scored
        FROM requests
        WHERE Timestamp >= earliest AND StatusCode != 'Error' AND TraceId IN (SELECT TraceId FROM captured)
            AND ({strategy:String} != 'drifted' OR TraceId IN {topic_trace_ids:Array(String)})
        ORDER BY isNotNull(TtftMs) DESC, Timestamp DESC
        LIMIT 1 BY TraceId
    )
SELECT
    TraceId AS trace_id, SpanId AS span_id, toUnixTimestamp64Milli(Timestamp) AS started_ms,
    Tenant AS tenant, SessionId AS conversation, TtftMs AS ttft_ms, DurationMs AS duration_ms,
    count() OVER () AS drawn_from,
    count() OVER (PARTITION BY Tenant) AS drawn_from_tenant
FROM
(
    SELECT asked.*, judged.Judged AS Judged, cityHash64(asked.TraceId, {seed:UInt64}) AS Shuffle,
        row_number() OVER (PARTITION BY Scored, Tenant ORDER BY Shuffle) AS Turn
    FROM asked
    LEFT JOIN judged ON judged.TraceId = asked.TraceId
    WHERE ({only_unscored:UInt8} = 0 OR NOT Scored) AND ({strategy:String} != 'low-score' OR judged.TraceId != '')
)
ORDER BY
    if({strategy:String} = 'low-score', ifNull(Judged, 1), 0),
    if({strategy:String} = 'stratified', tuple(Scored, Turn), (0, 0)),
    Shuffle
LIMIT {limit:UInt64}
