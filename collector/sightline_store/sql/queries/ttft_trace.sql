-- Where did the time to first token of one trace go? The pieces of its critical path, in order; they sum to that time.
-- The rule is in parts/ttft_rule.sql.
-- until says what is divided: 'delivered', the time to the first token that reached the user; 'first token' or 'first
-- chunk', where the request has only that of its model, or none and its last model call has one; 'total', where nothing
-- streamed, all of the request's time. A trace with more than 500 stage spans before then is one piece, 'left out'.
WITH
    (SELECT min(Start) FROM otel_traces_trace_id_ts WHERE TraceId = {trace_id:String}) AS first_start,
    (SELECT max(End) FROM otel_traces_trace_id_ts WHERE TraceId = {trace_id:String}) AS last_start,
    request AS
    (
        SELECT
            r.SpanId AS request_id,
            toUnixTimestamp64Nano(r.Timestamp) AS start_ns,
            r.TtftMs AS delivered,
            r.TtftDefinition AS definition,
            r.DurationMs AS total,
            s.all AS all,
            arraySort(m -> -m.2, arrayFilter(m -> m.1 = 'model' AND isNotNull(m.4) AND m.2 >= start_ns, s.all))[1] AS last_call
        FROM
        (
            SELECT SpanId, Timestamp, DurationMs, TtftMs, TtftDefinition
            FROM requests
            WHERE TraceId = {trace_id:String}
                AND Timestamp >= first_start AND Timestamp < toDateTime64(last_start, 9) + INTERVAL 1 SECOND
            ORDER BY Timestamp, DurationMs DESC
            LIMIT 1
        ) AS r
        CROSS JOIN
        (
            SELECT groupArray((
                toString(Stage), toUnixTimestamp64Nano(Timestamp), DurationMs, TtftMs, SpanId, ParentSpanId)) AS all
            FROM stages
            WHERE TraceId = {trace_id:String}
                AND Timestamp >= first_start AND Timestamp < toDateTime64(last_start, 9) + INTERVAL 1 SECOND
        ) AS s
    ),
    asked AS
    (
        SELECT
            request_id,
            start_ns,
            multiIf(
                delivered > 0, if(definition IN ('first_token', 'first_chunk'), replaceOne(definition, '_', ' '), 'delivered'),
                last_call.1 != '', 'first chunk', 'total') AS until,
            until != 'total' AS to_first_token,
            multiIf(
                delivered > 0, assumeNotNull(delivered),
                last_call.1 != '', (last_call.2 - start_ns) / 1e6 + assumeNotNull(last_call.4), total) AS horizon,
            arraySlice(arrayFilter(
                x -> x.5 != request_id AND x.2 < start_ns + horizon * 1e6 AND x.2 + x.3 * 1e6 > start_ns, all), 1, 501) AS spans
        FROM request
    ),
    -- include: ttft_rule.sql
SELECT
    part.1 AS stage,
    part.2 AS start_ms,
    part.3 AS end_ms,
    part.4 AS span_id,
    request_id,
    until,
    horizon AS until_ms,
    toUInt32(skewed) AS skewed
FROM divided
ARRAY JOIN if(too_long, [('left out', 0., horizon, '')], arraySort(p -> p.2, parts)) AS part
ORDER BY start_ms
