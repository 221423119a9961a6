-- Answered requests that a judge can look at: question, answer and the passages that the answer was written from.
-- Tenants take turns and traces without a score come first; within a tenant the order is a fixed shuffle, so that two runs
-- agree and a sample is no burst. A trace counts as scored when a RAGAS score of it holds, not when its judge failed.
-- Content is read in every convention. The question is the retrieval's, else the request's, else what went into
-- the chain around the calls, else into a retriever, else the user's last message to the model. The answer is the model's last
-- one, else what came out of the chain. Passages are the reranked ones where a reranker has them, else those of the retrievals,
-- of two inside each other the outer one's. Nothing is made up: redacted content counts as absent.
-- Parameters: since_s (look back, seconds), limit (rows), only_unscored (1: leave scored traces out).
WITH
    now64(9) - toIntervalSecond({since_s:UInt64}) AS earliest,
    -- include: content_readers.sql
    scored AS
    (
        SELECT DISTINCT TraceId FROM scores
        WHERE Timestamp >= earliest AND Source = 'ragas' AND (Value IS NOT NULL OR ErrorType = '')
    ),
    -- Traces with an answer (1) and passages (2), by keys alone. A key that either may stand in (3) counts where a call of a model
    -- and one of a search are known. OpenInference sets output.mime_type only for content that it does not redact.
    captured AS
    (
        SELECT TraceId
        FROM
        (
            SELECT TraceId, arrayConcat(
                arrayMap(key -> transform(key,
                    [
                        'gen_ai.output.messages', 'llm.output_messages.0.message.content', 'llm.output_messages.0.message.contents.0.message_content.text',
                        'gen_ai.completion.0.content', 'ai.response.text', 'ai.response.object',
                        'gen_ai.retrieval.documents', 'sightline.rerank.documents', 'retrieval.documents.0.document.content',
                        'reranker.output_documents.0.document.content',
                        'output.mime_type', 'traceloop.entity.output', 'langfuse.observation.output', 'mlflow.spanOutputs', 'gen_ai.completion'
                    ],
                    [1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 3], toUInt8(0)), mapKeys(SpanAttributes)),
                arrayMap(name -> transform(name,
                    ['gen_ai.choice', 'gen_ai.content.completion', 'gen_ai.client.inference.operation.details', 'db.query.result'],
                    [1, 1, 1, 2], toUInt8(0)), Events.Name)) AS holds
            FROM otel_traces
            WHERE Timestamp >= earliest
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
        SELECT TraceId, groupArray((SpanId, Timestamp, toString(if(ResponseModel != '', ResponseModel, RequestModel)), toString(Note))) AS made
        FROM llm_calls
        WHERE Timestamp >= earliest AND TraceHash IN (SELECT cityHash64(TraceId) FROM chosen)
        GROUP BY TraceId
    ),
    -- Each span of theirs: what stage it is, its attributes with those of events that hold content, what went in and came out.
    spans AS
    (
        SELECT
            s.Timestamp AS Timestamp, s.TraceId AS TraceId, s.SpanId AS SpanId, s.ParentSpanId AS ParentSpanId, k.Stage AS Stage,
            s.Events.Name AS event_names, s.Events.Attributes AS events,
            arrayFold(
                (attributes, event) -> mapUpdate(attributes, CAST(event, 'Map(String, String)')),
                arrayFilter((event, name) -> name IN ('gen_ai.client.inference.operation.details', 'gen_ai.content.prompt', 'gen_ai.content.completion'), events, event_names),
                CAST(s.SpanAttributes, 'Map(String, String)')) AS a,
            arrayFirst(value -> value NOT IN ('', 'null', '__REDACTED__') AND NOT match(value, shown_object), arrayMap(key -> a[key],
                ['input.value', 'traceloop.entity.input', 'langfuse.observation.input', 'ai.prompt.messages', 'ai.prompt', 'mlflow.spanInputs', 'gen_ai.prompt'])) AS went_in,
            arrayFirst(value -> value NOT IN ('', 'null', '__REDACTED__') AND NOT match(value, shown_object), arrayMap(key -> a[key],
                ['output.value', 'traceloop.entity.output', 'langfuse.observation.output', 'mlflow.spanOutputs', 'gen_ai.completion'])) AS came_out
        FROM otel_traces AS s
        LEFT ANY JOIN
        (
            SELECT TraceId, SpanId, Stage FROM stages WHERE Timestamp >= earliest AND TraceHash IN (SELECT cityHash64(TraceId) FROM chosen)
        ) AS k ON k.TraceId = s.TraceId AND k.SpanId = s.SpanId
        WHERE s.Timestamp >= earliest AND s.TraceId IN (SELECT TraceId FROM chosen)
    ),
    said AS
    (
        SELECT
            Timestamp, TraceId, SpanId, ParentSpanId, Stage, a['sightline.stage'] AS stage_attribute,
            if(a['gen_ai.retrieval.query.text'] != '', a['gen_ai.retrieval.query.text'], a['gen_ai.retrieval.query']) AS query,
            a['sightline.input'] AS own_input,
            -- What went in, where it is a question.
            if(startsWith(went_in, '\x7B') OR startsWith(went_in, '[') OR startsWith(went_in, '"'),
                first_string(arrayConcat(
                    [went_in],
                    arrayMap(name -> JSONExtractRaw(went_in, name),
                        ['question', 'query', 'query_str', 'user_input', 'input', 'str_or_query_bundle', 'inputs', 'prompt']),
                    arrayMap(name -> JSONExtractRaw(went_in, name, 'query_str'), ['str_or_query_bundle', 'query_bundle', 'query']),
                    arrayMap(name -> JSONExtractRaw(went_in, 'inputs', name), ['question', 'query', 'user_input', 'input']),
                    arrayMap(name -> JSONExtractRaw(went_in, 'input', name), ['question', 'query', 'user_input']))),
                went_in) AS question,
            arrayMap(message -> text_of(message.2), arrayFilter(message -> message.1 IN ('user', 'human'), arrayConcat(
                messages_of(arrayFirst(json -> startsWith(json, '['), [
                    a['gen_ai.input.messages'], went_in, JSONExtractRaw(went_in, 'messages'), JSONExtractRaw(went_in, 'inputs', 'messages')])),
                messages_at(a, 'llm.input_messages'),
                arrayMap(place -> (lower(a[concat(place, '.role')]), json_of(a[concat(place, '.content')])), numbered(mapKeys(a), 'gen_ai.prompt')),
                arrayMap(event -> ('user', json_of(event['content'])), arrayFilter((event, name) -> name = 'gen_ai.user.message', events, event_names))
            ))) AS asked_by_user,
            arrayMap(message -> text_of(message.2), arrayFilter(
                message -> message.1 NOT IN ('user', 'human', 'system', 'developer', 'tool', 'function'),
                arrayFirst(messages -> notEmpty(messages), [
                    messages_of(a['gen_ai.output.messages']),
                    messages_at(a, 'llm.output_messages'),
                    arrayMap(place -> (lower(a[concat(place, '.role')]), json_of(a[concat(place, '.content')])), numbered(mapKeys(a), 'gen_ai.completion')),
                    arrayMap(key -> ('', toJSONString(a[key])), arrayFilter(key -> a[key] != '', ['ai.response.text', 'ai.response.object'])),
                    arrayMap(event -> ('', json_of(if(event['message'] != '', event['message'], event['content']))),
                        arrayFilter((event, name) -> name = 'gen_ai.choice', events, event_names))]))) AS messages,
            -- What came out, where it is an answer.
            arrayFirst(text -> text != '', arrayMap(json -> text_of(json), multiIf(
                startsWith(came_out, '\x7B'), arrayConcat(
                    [
                        JSONExtractRaw(came_out, 'choices', 1, 'message', 'content'), JSONExtractRaw(came_out, 'choices', 1, 'text'),
                        JSONExtractRaw(came_out, 'generations', 1, 1, 'text'), JSONExtractRaw(came_out, 'generations', 1, 'text'),
                        JSONExtractRaw(came_out, 'message', 'content'), JSONExtractRaw(came_out, 'messages', -1, 'content')
                    ],
                    arrayMap(name -> JSONExtractRaw(came_out, name),
                        ['content', 'answer', 'response', 'result', 'output_text', 'outputs', 'output', 'text', 'completion'])),
                startsWith(came_out, '['), [came_out, JSONExtractRaw(came_out, -1, 'content')],
                startsWith(came_out, '"'), [came_out],
                [toJSONString(came_out)]))) AS answer,
            arrayMap(place -> a[concat(place, '.document.content')],
                arrayConcat(numbered(mapKeys(a), 'reranker.output_documents'), numbered(mapKeys(a), 'retrieval.documents'))) AS numbered_documents,
            arrayMap(event -> event['db.query.result.document'], arrayFilter((event, name) -> name = 'db.query.result', events, event_names)) AS event_documents,
            arrayFilter(text -> text NOT IN ('', '__REDACTED__'), multiIf(
                notEmpty(numbered_documents), numbered_documents,
                notEmpty(event_documents), event_documents,
                passages_of(multiIf(
                    a['sightline.rerank.documents'] != '', a['sightline.rerank.documents'],
                    a['gen_ai.retrieval.documents'] != '', a['gen_ai.retrieval.documents'],
                    Stage = 'search' OR may_rerank, came_out,
                    '')))) AS passages,
            -- OpenLLMetry names LlamaIndex's rerankers by their classes.
            Stage = 'rerank' OR match(a['traceloop.entity.name'], '(Rerank\\w*|Post[Pp]rocessor|Reorder)([.]task)?$') AS may_rerank,
            a['sightline.rerank.documents'] != '' OR mapContains(a, 'reranker.output_documents.0.document.content')
                OR (may_rerank AND notEmpty(passages)) AS is_reranked
        FROM spans
    ),
    contents AS
    (
        SELECT
            TraceId,
            argMinIf(query, Timestamp, query != '') AS Query,
            argMinIf(own_input, Timestamp, stage_attribute = 'request' AND own_input != '') AS Input,
            argMinIf(question, Timestamp, question != '' AND Stage IN ('', 'agent')) AS Asked,
            argMinIf(question, Timestamp, question != '' AND Stage = 'search') AS Searched,
            argMaxIf(
                (SpanId, arrayLast(text -> text != '', asked_by_user), arrayStringConcat(arrayFilter(text -> text != '', messages), '\n')),
                Timestamp, arrayExists(text -> text != '', messages)) AS Said,
            argMaxIf((SpanId, arrayLast(text -> text != '', asked_by_user), answer), Timestamp, answer != '' AND Stage = 'model') AS Answered,
            argMinIf(answer, Timestamp, answer != '' AND Stage IN ('', 'agent')) AS CameOut,
            if(Said.3 != '', Said, Answered) AS Model,
            max(is_reranked) AS IsReranked,
            argMaxIf(passages, Timestamp, is_reranked) AS Reranked,
            groupArrayIf((Timestamp, passages, SpanId, ParentSpanId), NOT is_reranked AND notEmpty(passages)) AS Retrieved
        FROM said
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
        Input != '', Input,
        Asked != '', Asked,
        Searched != '', Searched,
        Model.2) AS question,
    if(Model.3 != '', Model.3, CameOut) AS answer,
    if(IsReranked, Reranked, arrayDistinct(arrayFlatten(arraySort(arrayFilter(retrieval -> NOT has(Retrieved.3, retrieval.4), Retrieved)).2))) AS contexts,
    arraySort(call -> (call.1 = Model.1, call.2), calls.made)[-1].3 AS model,
    arraySort(call -> (call.1 = Model.1, call.2), calls.made)[-1].4 AS note
FROM chosen
INNER JOIN contents ON contents.TraceId = chosen.TraceId
LEFT JOIN calls ON calls.TraceId = chosen.TraceId
ORDER BY chosen.place
