-- What requests that a judge looks at hold: the spans with their questions, answers and passages, and the calls of models.
-- What the content says is read by `sightline_store.contents`, which the pages use too. sampling_weight is the number of spans
-- that one of the trace stands for where a collector kept a share, 0 where none says so; trace_state has a head sampler's.
WITH
    -- include: held_spans.sql
    ,
    chosen AS
    (
        SELECT request.1 AS TraceId, request.2 AS SpanId, place
        FROM (SELECT arrayZip(named, {span_ids:Array(String)}) AS every) ARRAY JOIN every AS request, arrayEnumerate(every) AS place
    ),
    calls AS
    (
        SELECT TraceId, groupArray((SpanId, toUnixTimestamp64Nano(Timestamp), toString(if(ResponseModel != '', ResponseModel, RequestModel)), toString(Note))) AS made
        FROM llm_calls
        WHERE
            -- include: around_requests.sql
            AND TraceHash IN (SELECT cityHash64(arrayJoin(named)))
        GROUP BY TraceId
    )
SELECT
    chosen.TraceId AS trace_id,
    chosen.SpanId AS span_id,
    held.spans AS spans,
    held.sampling_weight AS sampling_weight,
    held.trace_state AS trace_state,
    calls.made AS calls
FROM chosen
INNER JOIN held ON held.TraceId = chosen.TraceId
LEFT JOIN calls ON calls.TraceId = chosen.TraceId
ORDER BY chosen.place
