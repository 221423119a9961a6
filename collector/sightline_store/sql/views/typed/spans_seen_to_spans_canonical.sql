-- Written by `python -m sightline_store.conventions.canonical` from the alias table (aliases.py): edit that.
CREATE MATERIALIZED VIEW spans_seen_to_spans_canonical TO spans_canonical AS
SELECT
    if(streamed_s > 0, Timestamp - toIntervalNanosecond(toInt64(streamed_s * 1e9)), Timestamp) AS Timestamp,
    TraceId, SpanId, ParentSpanId, ServiceName, SpanName AS Name, ScopeName, indexed_attributes,
    Events.Name AS EventNames, Events.Attributes AS EventAttributes, StatusCode, column_values,
    multiIf(
        stage_attribute != '', 'sightline',
        convention != '', convention,
        scope != '', scope,
        has_gen_ai_key, 'otel',
        '') AS Convention,
    stage_attribute AS StageAttribute,
    multiIf(
        -- Logfire sends a span once more when it begins, and a stream by a log when it ends, beside the span of its request.
        logfire_type = 'pending_span', '',
        logfire_type = 'span' AND operation_kind = 'model' AND StatusCode != 'Error' AND NOT hasAny(mapKeys(column_values), [22, 23, 21]), 'workflow',
        operation_kind = 'agent' AND declared_kind = 'workflow', declared_kind,
        operation_kind != '', operation_kind,
        declared_kind != '', declared_kind,
        stage_attribute IN ('search', 'model', 'embed'), stage_attribute,
        mapContains(column_values, 4), if(match(column_values[4], 'Retriever(\\.task)?$'), 'search', ''),
        mapContains(column_values, 38), 'search',
        -- A search of Sightline's library without a stage is one step of a retrieval whose span is around it.
        lower(column_values[35]) IN ('weaviate', 'pinecone', 'qdrant', 'milvus', 'chroma', 'chromadb', 'lancedb', 'marqo', 'vespa', 'turbopuffer', 'vectordb')
            AND lower(column_values[37]) IN ('query', 'search', 'hybrid', 'hybrid_search', 'near_vector', 'near_text', 'near_object', 'bm25', 'similarity_search', 'search_batch', 'query_points') AND ScopeName != 'sightline', 'search',
        '') AS Kind,
    multiIf(
        stage_attribute = 'request', 5,
        logfire_type IN ('log', 'pending_span'), 0,
        stage_attribute NOT IN ('', 'workflow', 'agent', 'model'), if(ParentSpanId = '' AND stage_attribute NOT IN ('search', 'evaluator'), 3, 0),
        ParentSpanId != '', if(SpanKind = 'Server', 2, 0),
        SpanKind IN ('Client', 'Producer') AND column_values[2] = '' AND declared_kind = '', 0,
        if(operation_kind != '', operation_kind, declared_kind) = 'evaluator', 0,
        if(operation_kind != '', operation_kind, declared_kind) IN ('embed', 'rerank', 'tool', 'prompt', 'cache', 'guard', 'queue', 'evaluator') OR column_values[2] = 'create_agent' OR match(SpanName, '(Splitter|NodeParser|IngestionPipeline|CreateEmbeddings)'), 3,
        4) AS RequestRank,
    if(tenant_stamp != '', tenant_stamp, column_values[6]) AS Tenant,
    trim(BOTH '"' FROM column_values[7]) AS UserId,
    trim(BOTH '"' FROM column_values[8]) AS SessionId,
    multiIf(mapContains(column_values, 11), column_values[11], exception > 0, Events.Attributes[exception]['exception.type'], finish_error != '', concat('finish_reason:', finish_error), '') AS ErrorType,
    left(if(StatusMessage != '' OR exception = 0, StatusMessage, Events.Attributes[exception]['exception.message']), 1000) AS ErrorMessage,
    if(streamed_s > 0, streamed_s * 1e3, Duration / 1e6) AS DurationMs,
    nullIf(least(ttft.2, if(ttft.1 >= 254, ttft.2, Duration / 1e6)), 0) AS TtftMs,
    transform(ttft.1, [57, 58, 59, 60, 61, 62, 254, 255], ['delivered', 'first_chunk', 'first_chunk', 'first_token', 'first_chunk', 'first_chunk', 'first_chunk', 'first_token'], '') AS TtftDefinition,
    now64(6) AS StoredAt
FROM
(
    SELECT
        Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, SpanName, SpanKind, ScopeName, StatusCode, StatusMessage, Duration, Events.Name, Events.Timestamp, Events.Attributes, column_values, tenant_stamp, has_gen_ai_key, indexed_attributes,
        column_values[1] AS stage_attribute,
        transform(lower(trim(BOTH '"' FROM column_values[2])), splitByChar(',', 'chat,text_completion,generate_content,completion,acompletion,llm,generation,chat_model,model,responses,ai.generatetext.dogenerate,ai.streamtext.dostream,ai.generateobject.dogenerate,ai.streamobject.dostream,gen_ai.chat,gen_ai.generate_content,embeddings,embedding,aembedding,embedder,ai.embed.doembed,ai.embedmany.doembed,gen_ai.embeddings,retrieval,retriever,retrieve,vector_db_retrieve,search,rerank,reranker,execute_tool,tool,ai.toolcall,tool_call,gen_ai.execute_tool,invoke_agent,create_agent,agent,gen_ai.invoke_agent,invoke_workflow,workflow,chain,ai.generatetext,ai.streamtext,ai.generateobject,ai.streamobject,ai.embed,ai.embedmany,guardrail,guard,prompt,cache,queue,evaluator'), splitByChar(',', 'model,model,model,model,model,model,model,model,model,model,model,model,model,model,model,model,embed,embed,embed,embed,embed,embed,embed,search,search,search,search,search,rerank,rerank,tool,tool,tool,tool,tool,agent,agent,agent,agent,workflow,workflow,workflow,workflow,workflow,workflow,workflow,workflow,workflow,guard,guard,prompt,cache,queue,evaluator'), '') AS operation_kind,
        transform(lower(trim(BOTH '"' FROM column_values[3])), splitByChar(',', 'chat,text_completion,generate_content,completion,acompletion,llm,generation,chat_model,model,responses,ai.generatetext.dogenerate,ai.streamtext.dostream,ai.generateobject.dogenerate,ai.streamobject.dostream,gen_ai.chat,gen_ai.generate_content,embeddings,embedding,aembedding,embedder,ai.embed.doembed,ai.embedmany.doembed,gen_ai.embeddings,retrieval,retriever,retrieve,vector_db_retrieve,search,rerank,reranker,execute_tool,tool,ai.toolcall,tool_call,gen_ai.execute_tool,invoke_agent,create_agent,agent,gen_ai.invoke_agent,invoke_workflow,workflow,chain,ai.generatetext,ai.streamtext,ai.generateobject,ai.streamobject,ai.embed,ai.embedmany,guardrail,guard,prompt,cache,queue,evaluator'), splitByChar(',', 'model,model,model,model,model,model,model,model,model,model,model,model,model,model,model,model,embed,embed,embed,embed,embed,embed,embed,search,search,search,search,search,rerank,rerank,tool,tool,tool,tool,tool,agent,agent,agent,agent,workflow,workflow,workflow,workflow,workflow,workflow,workflow,workflow,workflow,guard,guard,prompt,cache,queue,evaluator'), '') AS declared_kind,
        transform(arrayFirst(id -> has([96, 97, 98, 99, 100, 101, 102, 103, 104, 105, 106, 107, 108, 641, 642, 160, 161, 162, 163, 993, 164, 166, 960, 452], id), spellings.1), [96, 97, 98, 99, 100, 101, 102, 103, 104, 105, 106, 107, 108, 641, 642, 160, 161, 162, 163, 993, 164, 166, 960, 452], splitByChar(',', 'openinference,loongsuite,langfuse,mlflow,langsmith,vercel,openllmetry,braintrust,opik,genkit,weave,sentry,openllmetry,openllmetry,openllmetry,openllmetry,openllmetry,openllmetry,openllmetry,openlit,logfire,openinference,langfuse,langfuse'), '') AS convention,
        transform(extract(ScopeName, '^(sightline|openinference\\.|openlit|pydantic\\-ai|logfire|langfuse|strands|opik|braintrust|traceloop)'), ['sightline', 'openinference.', 'openlit', 'pydantic-ai', 'logfire', 'langfuse', 'strands', 'opik', 'braintrust', 'traceloop'], ['sightline', 'openinference', 'openlit', 'pydantic_ai', 'logfire', 'langfuse', 'strands', 'opik', 'braintrust', 'openllmetry'], '') AS scope,
        if(scope = 'logfire', indexed_attributes['logfire.span_type'], '') AS logfire_type,
        if(logfire_type = 'log', toFloat64OrZero(indexed_attributes['duration']), 0) AS streamed_s,
        indexOf(Events.Name, 'exception') AS exception,
        if(mapContains(column_values, 21), extract(lower(column_values[21]), '(?:^|["[, ])(error|failed|model_error|network_error|server_error|insufficient_system_resource|malformed_function_call|malformed_tool_use|malformed_model_output)(?:$|[]", ])'), '') AS finish_error,
        -- The first plausible time to first token: its column's number (or an event's) and milliseconds.
            if(spellings[-1].1 >= 1824 OR length(all_values) > length(spellings) OR notEmpty(Events.Name), arrayFirst(pair -> pair.2 > 0 AND pair.2 <= multiIf(pair.1 >= 254, 3600e3, pair.1 = 0, 0, Duration / 1e6 + (Duration > 0)),
            arrayConcat(
                arrayMap(pair -> (pair.1, if(pair.1 = 62,
                        dateDiff('nanosecond', Timestamp, parseDateTime64BestEffortOrZero(trim(BOTH '"' FROM pair.2), 9, 'UTC')) / 1e6,
                        toFloat64OrZero(pair.2) * multiIf(pair.1 IN (60, 61), 1, pair.1 = 59 AND toFloat64OrZero(pair.2) * 1e9 > Duration + 1e6, 1e-6, 1e3))),
                    arrayFilter(pair -> pair.1 IN (57, 58, 59, 60, 61, 62), all_values)),
                arrayMap((name, moment) -> (transform(name, ['First Token Stream Event', 'first_token', 'llm.first_token', 'new_token', 'mlflow.chunk.item.0', 'ai.stream.firstChunk', 'gen_ai.content.chunk', 'gen_ai.content.completion.chunk', 'llm.content.completion.chunk'], [254, 255, 255, 254, 254, 254, 254, 254, 254], toUInt8(0)),
                    dateDiff('nanosecond', Timestamp, moment) / 1e6), Events.Name, Events.Timestamp))), (0, 0.)) AS ttft
    FROM
    (
        -- The members of JSON objects come last: a key's first value counts.
        SELECT
            Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, SpanName, SpanKind, ScopeName, StatusCode, StatusMessage, Duration, Events.Name, Events.Timestamp, Events.Attributes, tenant_stamp, has_gen_ai_key, indexed_attributes, spellings,
            arrayExists(kind -> intDiv(kind.1, 32) IN (2, 3) AND positionCaseInsensitive(kind.2, 'retriev') > 0, spellings) AS is_retriever,
            arrayConcat(
                arrayMap(pair -> (toUInt8(if(pair.1 IN (161, 165, 166), 63, intDiv(pair.1, 32))), pair.2), arrayFilter(
                    -- What a span gave back is a list of passages only where it is a retriever's.
                    pair -> pair.1 NOT IN (1377, 1378, 1379, 1380) OR is_retriever, spellings)),
                -- Few spans have such an object: of the others nothing is computed.
                if(arrayExists(id -> intDiv(id, 32) IN (30, 16) OR id = 1379, spellings.1), arrayFilter(member -> member.1 > 0 AND member.2 NOT IN ('', 'null') AND NOT startsWith(member.2, '{'), arrayMap(
                    -- Of a list of numbers by modality, as Gemini has them, the number of audio tokens.
                    member -> (transform(member.1, splitByChar(',', 'input,input_tokens,prompt_tokens,inputTokens,promptTokenCount,prompt_token_count,inputTokenCount,output,output_tokens,completion_tokens,outputTokens,candidatesTokenCount,candidates_token_count,responseTokenCount,outputTokenCount,total,total_tokens,totalTokens,totalTokenCount,total_token_count,tokens,input_cached_tokens,cache_read_input_tokens,input_cache_read,prompt_cached_tokens,input_cache_read_input_tokens,cacheReadInputTokens,cacheReadInputTokenCount,cachedContentTokenCount,cached_content_token_count,prompt_cache_hit_tokens,cached_tokens,input_cached,prompt_tokens_details.cached_tokens,input_tokens_details.cached_tokens,input_token_details.cache_read,openai.cachedPromptTokens,anthropic.cacheReadInputTokens,deepseek.promptCacheHitTokens,cache_creation_input_tokens,input_cache_creation,prompt_cache_creation_tokens,input_cache_creation_input_tokens,cache_write_input_tokens,input_cache_write,cacheWriteInputTokens,cacheWriteInputTokenCount,input_token_details.cache_creation,prompt_tokens_details.cache_write_tokens,anthropic.cacheCreationInputTokens,cache_creation.ephemeral_1h_input_tokens,input_token_details.ephemeral_1h_input_tokens,input_cache_creation_1h,cache_creation_input_tokens_above_1hr,output_reasoning_tokens,reasoning_tokens,completion_reasoning_tokens,output_reasoning,thoughtsTokenCount,thoughts_token_count,completion_tokens_details.reasoning_tokens,output_tokens_details.reasoning_tokens,output_token_details.reasoning,openai.reasoningTokens,input_audio_tokens,input_audio,prompt_audio_tokens,prompt_tokens_details.audio_tokens,input_tokens_details.audio_tokens,input_token_details.audio,promptTokensDetails,prompt_tokens_details,output_audio_tokens,output_audio,completion_audio_tokens,completion_tokens_details.audio_tokens,output_tokens_details.audio_tokens,output_token_details.audio,candidatesTokensDetails,candidates_tokens_details,total_cost,cost,estimated_cost,gateway.cost,model,stream,time_to_first_token'), [22, 22, 22, 22, 22, 22, 22, 23, 23, 23, 23, 23, 23, 23, 23, 63, 63, 63, 63, 63, 63, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 25, 25, 25, 25, 25, 25, 25, 25, 25, 25, 25, 26, 26, 26, 26, 27, 27, 27, 27, 27, 27, 27, 27, 27, 27, 28, 28, 28, 28, 28, 28, 28, 28, 29, 29, 29, 29, 29, 29, 29, 29, 31, 31, 31, 31, 14, 20, 59], toUInt8(0)),
                        if(startsWith(member.2, '['), extract(member.2, '(?i)"AUDIO"[^}]*?([0-9]+)'), trim(BOTH '"' FROM member.2))),
                    arrayFlatten(arrayMap(
                        member -> arrayPushFront(arrayMap(inner -> (concat(member.1, '.', inner.1), inner.2), JSONExtractKeysAndValuesRaw(member.2)), member),
                        arrayFlatten(arrayMap(pair -> JSONExtractKeysAndValuesRaw(multiIf(pair.1 = 1379, extract(concat(pair.2, replaceAll(toString(Events.Attributes), '"usage"', '')), '"usage(?:_metadata)?":\\s*([{](?:[^{}]|[{][^{}]*[}])*[}])'), startsWith(pair.2, '{\''), replaceRegexpAll(replaceAll(pair.2, '\'', '"'), 'None|True|False', 'null'), pair.2)),
                            arrayFilter(pair -> intDiv(pair.1, 32) IN (30, 16) OR pair.1 = 1379, spellings))))))), [])) AS all_values,
            CAST(all_values, 'Map(UInt8, String)') AS column_values
        FROM span_spellings
        WHERE ParentSpanId = '' OR SpanKind = 'Server' OR StatusCode = 'Error' OR notEmpty(Events.Name) OR notEmpty(spellings)
        -- A span that came twice in one INSERT counts once.
        LIMIT 1 BY cityHash64(TraceId, SpanId, if(TraceId = '' OR SpanId = '', rowNumberInAllBlocks(), 0))
    )
);
