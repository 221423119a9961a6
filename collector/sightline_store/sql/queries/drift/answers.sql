-- How did the answers of models change between two windows: length, refusals, citations, ends, errors, tokens? One row a comparison and signal.
-- A comparison is service, model, prompt and tenant; '*' is any of them. A prompt is told by a hash of the system message, where content is
-- captured in the form of the semantic conventions; texts are read there only. unusual_end: another finish reason than the commonest of the reference.
WITH
    texts AS
    (
        SELECT
            TraceId, SpanId,
            JSONExtract(SpanAttributes['gen_ai.input.messages'], 'Array(Tuple(role String, content String, parts Array(Tuple(content String))))') AS given,
            JSONExtract(SpanAttributes['gen_ai.output.messages'], 'Array(Tuple(role String, content String, parts Array(Tuple(content String))))') AS said,
            if(SpanAttributes['gen_ai.system_instructions'] != '', SpanAttributes['gen_ai.system_instructions'],
                arrayStringConcat(arrayMap(m -> concat(m.content, arrayStringConcat(m.parts.content)), arrayFilter(m -> m.role IN ('system', 'developer'), given)))) AS system_text,
            arrayStringConcat(arrayMap(m -> concat(m.content, arrayStringConcat(m.parts.content)), said)) AS answer
        FROM otel_traces
        WHERE
            -- include: drift_windows.sql
            AND cityHash64(TraceId) % {stride:UInt64} = 0
            AND (ServiceName, SpanName) IN (
                SELECT ServiceName, Name FROM stages
                WHERE Stage = 'model' AND
                    -- include: drift_windows.sql
            )
            AND mapContains(SpanAttributes, 'gen_ai.output.messages')
    ),
    calls AS
    (
        SELECT
            c.is_current AS is_current, c.service AS service, c.model AS model, c.tenant AS tenant, c.tokens AS tokens, c.is_failed AS is_failed, c.reason AS reason,
            if(t.system_text = '', '', leftPad(lower(hex(toUInt32(cityHash64(t.system_text) % 4294967296))), 8, '0')) AS prompt,
            if(t.answer = '', nan, toFloat64(lengthUTF8(t.answer))) AS answer_length,
            if(t.answer = '', nan, toFloat64(match(t.answer, '\\[[0-9][0-9]?[0-9]?\\]'))) AS cited,
            if(t.answer = '', nan, toFloat64(match(lowerUTF8(leftUTF8(t.answer, 400)), {refusals:String}))) AS refused
        FROM
        (
            SELECT
                TraceId, SpanId,
                Timestamp >= {current_from:DateTime64(3, 'UTC')} AS is_current,
                toString(ServiceName) AS service, toString(if(ResponseModel != '', ResponseModel, RequestModel)) AS model, toString(Tenant) AS tenant,
                ifNull(toFloat64(OutputTokens), nan) AS tokens, toString(FinishReason) AS reason,
                -- include: failed.sql
                AS is_failed
            FROM llm_calls
            WHERE
                -- include: drift_windows.sql
                AND TraceHash % {stride:UInt64} = 0 AND
                -- include: drift_traces.sql
            ORDER BY Timestamp DESC
            LIMIT 1 BY TraceHash, service, model
        ) AS c
        LEFT ANY JOIN texts AS t ON t.TraceId = c.TraceId AND t.SpanId = c.SpanId
    ),
    observed AS
    (
        SELECT
            arrayJoin(arrayDistinct([(service, model, prompt, '*'), (service, model, '*', '*'), (service, '*', '*', '*'), (service, '*', '*', tenant)])) AS comparison,
            is_current, signal, x
        FROM
        (
            SELECT *, topKIf(1)(reason, NOT is_current AND reason != '') OVER (PARTITION BY service) AS usual FROM calls
        )
        ARRAY JOIN
            ['output_tokens', 'answer_length', 'refusal', 'citation', 'error', 'unusual_end'] AS signal,
            [tokens, answer_length, refused, cited, toFloat64(is_failed), if(reason = '' OR empty(usual), nan, toFloat64(reason != usual[1]))] AS x
    )
-- include: drift_distributions.sql
