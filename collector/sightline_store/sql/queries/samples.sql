-- Answered requests that a judge can look at: question, answer and the passages that the answer was written from.
-- Tenants take turns and traces without a score come first; within a tenant the order is a fixed shuffle, so that two runs
-- agree and a sample is no burst. A trace counts as scored when a RAGAS score of it holds, not when its judge failed.
-- Parameters: since_s (look back, seconds), limit (rows), only_unscored (1: leave scored traces out).
WITH
    now64(9) - toIntervalSecond({since_s:UInt64}) AS earliest,
    scored AS
    (
        SELECT DISTINCT TraceId FROM scores
        WHERE Timestamp >= earliest AND Source = 'ragas' AND (Value IS NOT NULL OR ErrorType = '')
    ),
    captured AS
    (
        SELECT TraceId FROM otel_traces
        WHERE Timestamp >= earliest
        GROUP BY TraceId
        HAVING max(mapContains(SpanAttributes, 'gen_ai.output.messages'))
            AND max(mapContains(SpanAttributes, 'gen_ai.retrieval.documents') OR mapContains(SpanAttributes, 'sightline.rerank.documents'))
    ),
    asked AS
    (
        SELECT Timestamp, TraceId, SpanId, Tenant, TraceId IN (SELECT TraceId FROM scored) AS Scored
        FROM requests
        WHERE Timestamp >= earliest AND StatusCode != 'Error' AND TraceId IN (SELECT TraceId FROM captured)
        ORDER BY isNotNull(TtftMs) DESC, Timestamp DESC
        LIMIT 1 BY TraceId
    ),
    chosen AS
    (
        SELECT Timestamp, TraceId, SpanId, Tenant, Scored, row_number() OVER (PARTITION BY Scored, Tenant ORDER BY cityHash64(TraceId)) AS Turn
        FROM asked
        WHERE {only_unscored:UInt8} = 0 OR NOT Scored
        ORDER BY Scored, Turn, cityHash64(TraceId)
        LIMIT {limit:UInt64}
    ),
    told AS
    (
        SELECT
            TraceId,
            argMinIf(SpanAttributes['gen_ai.retrieval.query.text'], Timestamp, SpanAttributes['gen_ai.retrieval.query.text'] != '') AS Query,
            argMinIf(SpanAttributes['sightline.input'], Timestamp, SpanAttributes['sightline.stage'] = 'request' AND SpanAttributes['sightline.input'] != '') AS Input,
            argMaxIf(SpanAttributes, Timestamp, SpanAttributes['gen_ai.output.messages'] != '') AS Model,
            argMaxIf(SpanAttributes['sightline.rerank.documents'], Timestamp, SpanAttributes['sightline.rerank.documents'] != '') AS Reranked,
            arraySort(groupArrayIf((Timestamp, SpanAttributes['gen_ai.retrieval.documents']), SpanAttributes['gen_ai.retrieval.documents'] != '')).2 AS Retrieved
        FROM otel_traces
        WHERE Timestamp >= earliest AND TraceId IN (SELECT TraceId FROM chosen)
        GROUP BY TraceId
    )
SELECT
    chosen.TraceId AS trace_id,
    chosen.SpanId AS span_id,
    chosen.Timestamp AS timestamp,
    chosen.Tenant AS tenant,
    multiIf(
        Query != '', Query,
        JSONExtractString(Input, 'question') != '', JSONExtractString(Input, 'question'),
        JSONExtractString(Input, 'query') != '', JSONExtractString(Input, 'query'),
        Input) AS question,
    arrayStringConcat(arrayFilter(text -> text != '', arrayFlatten(arrayMap(
        message -> arrayMap(part -> part.content, arrayFilter(part -> part.type IN ('text', ''), message.parts)),
        arrayFilter(message -> message.role IN ('assistant', ''),
            JSONExtract(Model['gen_ai.output.messages'], 'Array(Tuple(role String, parts Array(Tuple(type String, content String))))'))))), '\n') AS answer,
    arrayFilter(text -> text != '', arrayFlatten(arrayMap(
        documents -> JSONExtract(documents, 'Array(Tuple(content String))').content,
        if(Reranked != '', [Reranked], Retrieved)))) AS contexts,
    if(Model['gen_ai.response.model'] != '', Model['gen_ai.response.model'], Model['gen_ai.request.model']) AS model,
    Model['sightline.model.note'] AS note
FROM chosen
INNER JOIN told ON told.TraceId = chosen.TraceId
ORDER BY chosen.Scored, chosen.Turn, cityHash64(chosen.TraceId)
