-- RAG traffic made inside the engine: 8 spans a trace, 20 tenants, heavy-tailed latencies, prompts of up to 40 kB.
-- first and traces number the traces; the same number gives the same trace. They begin evenly between start and start + seconds.
INSERT INTO otel_traces
    (Timestamp, TraceId, SpanId, ParentSpanId, SpanName, SpanKind, ServiceName, ResourceAttributes, ScopeName, ScopeVersion, SpanAttributes, Duration, StatusCode, StatusMessage)
WITH
    (SELECT arrayStringConcat(arrayMap(i -> ['retrieval', 'augmented', 'generation', 'latency', 'tokens', 'vector', 'index', 'tenant', 'drift', 'quantile', 'prompt',
        'context', 'cache', 'budget', 'queue', 'stream', 'span', 'exporter', 'collector', 'dashboard', 'answer', 'passage', 'question', 'of', 'the', 'a', 'in',
        'on'][sipHash64(i) % 28 + 1], range(131072)), ' ')) AS corpus,
    (text, at, length_) -> substring(corpus, 1 + at % 800000, length_) AS words,
    -- uniform between 0 and 1, and a normal deviate, of trace n
    (n, salt) -> (sipHash64(n, salt) % 1000000007 + 0.5) / 1000000007 AS u,
    (n, salt) -> sqrt(-2 * log(u(n, salt))) * cos(2 * pi() * u(n, salt + 1000)) AS normal
SELECT
    fromUnixTimestamp64Nano(toInt64(start_ns + s.4), 'UTC') AS Timestamp,
    trace_id AS TraceId,
    s.1 AS SpanId,
    if(s.2 = 'POST /v1/chat', '', root_id) AS ParentSpanId,
    s.2 AS SpanName,
    s.3 AS SpanKind,
    'rag-api' AS ServiceName,
    map('deployment.environment.name', 'production', 'host.name', concat('host-', toString(n % 4)), 'service.instance.id', concat({batch:String}, '-', toString(n % 4)),
        'service.name', 'rag-api', 'service.version', '1.2.0', 'telemetry.sdk.language', 'python', 'telemetry.sdk.name', 'opentelemetry') AS ResourceAttributes,
    'sightline' AS ScopeName,
    '0.1.0' AS ScopeVersion,
    mapFilter((k, v) -> v != '', s.6) AS SpanAttributes,
    toUInt64(s.5) AS Duration,
    if(failed AND s.2 IN ('POST /v1/chat', concat('chat ', model)), 'Error', 'Unset') AS StatusCode,
    if(failed AND s.2 = concat('chat ', model), 'the model did not answer', '') AS StatusMessage
FROM
(
    SELECT
        *,
        arrayJoin([
            (root_id, 'POST /v1/chat', 'Server', toFloat64(0), total_ns, map(
                'sightline.stage', 'request', 'http.route', route, 'http.request.method', 'POST', 'http.response.status_code', if(failed, '502', '200'),
                'sightline.response.time_to_first_token', if(failed, '', toString(ttft_ns / 1e9)), 'tenant.id', tenant, 'user.id', user, 'session.id', session,
                'error.type', if(failed, 'UpstreamError', ''), 'sightline.span.sequence', toString(sequence + 1))),
            (span_ids[1], 'check question', 'Internal', 1e6, guard_ns, map(
                'sightline.stage', 'guard', 'sightline.guardrail.name', 'injection', 'sightline.guardrail.flagged', if(u(n, 20) < 0.01, 'true', 'false'),
                'tenant.id', tenant, 'user.id', user, 'session.id', session, 'sightline.span.sequence', toString(sequence + 2))),
            (span_ids[2], 'cache lookup', 'Client', 1e6 + guard_ns, cache_ns, map(
                'sightline.stage', 'cache', 'db.system.name', 'redis', 'db.operation.name', 'GET',
                'tenant.id', tenant, 'user.id', user, 'session.id', session, 'sightline.span.sequence', toString(sequence + 3))),
            (span_ids[3], 'embeddings bge-small', 'Client', 1e6 + guard_ns + cache_ns, embed_ns, map(
                'sightline.stage', 'embed', 'gen_ai.operation.name', 'embeddings', 'gen_ai.request.model', 'bge-small', 'gen_ai.usage.input_tokens', toString(8 + n % 40),
                'sightline.embedding.name', 'bge-small', 'sightline.embedding.version', '1',
                'tenant.id', tenant, 'user.id', user, 'session.id', session, 'sightline.span.sequence', toString(sequence + 4))),
            (span_ids[4], 'retrieval Documents', 'Client', 1e6 + guard_ns + cache_ns + embed_ns, search_ns, map(
                'sightline.stage', 'search', 'gen_ai.operation.name', 'retrieval', 'gen_ai.data_source.id', 'Documents', 'db.system.name', 'weaviate',
                'db.collection.name', 'Documents', 'db.operation.name', 'hybrid', 'gen_ai.request.top_k', '5', 'db.response.returned_rows', if(u(n, 30) < 0.02, '0', '5'),
                'gen_ai.retrieval.query.text', words('', n * 7919, 60), 'sightline.index.version', '2026-01', 'sightline.embedding.name', 'bge-small', 'sightline.embedding.version', '1',
                'gen_ai.retrieval.documents', if(u(n, 30) < 0.02, '[]', concat('[', arrayStringConcat(arrayMap(i -> concat('{"id":"doc-', toString(toUInt32(5000 * pow(u(n, 31 + i), 2))),
                    '","score":', toString(round(0.95 - 0.07 * i - 0.2 * u(n, 36), 4)), ',"content":"', words('', n * 104729 + i, 160), '"}'), range(5)), ','), ']')),
                'tenant.id', tenant, 'user.id', user, 'session.id', session, 'sightline.span.sequence', toString(sequence + 5))),
            (span_ids[5], 'rerank', 'Internal', 1e6 + guard_ns + cache_ns + embed_ns + search_ns, rerank_ns, map(
                'sightline.stage', 'rerank', 'gen_ai.request.top_k', '3', 'tenant.id', tenant, 'user.id', user, 'session.id', session,
                'sightline.span.sequence', toString(sequence + 6))),
            (span_ids[6], 'build prompt', 'Internal', 1e6 + guard_ns + cache_ns + embed_ns + search_ns + rerank_ns, 2e6, map(
                'sightline.stage', 'prompt', 'tenant.id', tenant, 'user.id', user, 'session.id', session, 'sightline.span.sequence', toString(sequence + 7))),
            (span_ids[7], concat('chat ', model), 'Client', model_start_ns, total_ns - model_start_ns - 1e6, map(
                'sightline.stage', 'model', 'gen_ai.operation.name', 'chat', 'gen_ai.provider.name', provider, 'gen_ai.request.model', model, 'gen_ai.response.model', model,
                'gen_ai.usage.input_tokens', if(failed, '', toString(intDiv(prompt_chars, 4))), 'gen_ai.usage.output_tokens', if(failed, '', toString(intDiv(answer_chars, 4))),
                'gen_ai.usage.cache_read.input_tokens', if(failed OR n % 3 != 0, '', toString(intDiv(prompt_chars, 8))),
                'gen_ai.response.time_to_first_chunk', if(failed, '', toString((ttft_ns - model_start_ns) / 1e9)), 'gen_ai.response.finish_reasons', if(failed, '', '["stop"]'),
                'sightline.stream.outcome', if(failed, 'error', 'completed'), 'sightline.stream.chunks', if(failed, '', toString(intDiv(answer_chars, 16))),
                'sightline.stream.longest_stall', if(failed, '', toString(round(0.01 + 0.05 * u(n, 41), 4))), 'error.type', if(failed, 'UpstreamError', ''),
                'gen_ai.input.messages', concat('[{"role":"user","parts":[{"type":"text","content":"', words('', n * 15485863, prompt_chars), '"}]}]'),
                'gen_ai.output.messages', if(failed, '', concat('[{"role":"assistant","parts":[{"type":"text","content":"', words('', n * 32452843, answer_chars), '"}]}]')),
                'tenant.id', tenant, 'user.id', user, 'session.id', session, 'sightline.span.sequence', toString(sequence + 8)))
        ]) AS s
    FROM
    (
        SELECT
            number AS n,
            toUnixTimestamp64Nano({start:DateTime64(3, 'UTC')}) + toInt64(u(n, 1) * {seconds:UInt32} * 1e9) AS start_ns,
            lower(hex(sipHash128(n, 'trace'))) AS trace_id,
            leftPad(lower(hex(sipHash64(n, 'root'))), 16, '0') AS root_id,
            arrayMap(i -> leftPad(lower(hex(sipHash64(n, i))), 16, '0'), range(7)) AS span_ids,
            intDiv(n - {first:UInt64}, 4) * 8 AS sequence,
            concat('tenant-', leftPad(toString(toUInt32(20 * pow(u(n, 2), 2))), 2, '0')) AS tenant,
            concat('user-', toString(toUInt32(20000 * pow(u(n, 3), 2)))) AS user,
            concat('session-', toString(intDiv(sipHash64(n, 'session'), 64) % 300000)) AS session,
            if(u(n, 4) < 0.85, '/v1/chat', '/v1/search') AS route,
            toUInt8(u(n, 5) * u(n, 6) * 6) + 1 AS choice,
            ['gpt-4o-mini', 'gpt-4o', 'claude-sonnet-4-5', 'gemini-2.5-flash', 'mistral-large-latest', 'in-house-7b'][choice] AS model,
            ['openai', 'openai', 'anthropic', 'gcp.gemini', 'mistral_ai', 'in-house'][choice] AS provider,
            u(n, 7) < 0.015 AS failed,
            toFloat64(1e6 + 1e6 * u(n, 8)) AS guard_ns,
            toFloat64(5e5 + 1e6 * u(n, 9)) AS cache_ns,
            toFloat64(6e6 * exp(0.4 * normal(n, 10))) AS embed_ns,
            toFloat64(18e6 * exp(0.6 * normal(n, 11))) AS search_ns,
            toFloat64(9e6 * exp(0.3 * normal(n, 12))) AS rerank_ns,
            1e6 + guard_ns + cache_ns + embed_ns + search_ns + rerank_ns + 2e6 AS model_start_ns,
            -- one in a hundred waits long: a Pareto tail behind a lognormal body
            model_start_ns + 280e6 * exp(0.5 * normal(n, 13)) * if(u(n, 14) < 0.01, pow(u(n, 15), -0.6), 1) AS ttft_ns,
            ttft_ns + 1400e6 * exp(0.7 * normal(n, 16)) AS total_ns,
            toUInt32(least(40000, 1200 * exp(0.8 * normal(n, 17)))) AS prompt_chars,
            toUInt32(least(8000, 500 * exp(0.6 * normal(n, 18)))) AS answer_chars
        FROM numbers({first:UInt64}, {traces:UInt64})
    )
)
SETTINGS max_block_size = 4096, max_threads = 2, max_insert_threads = 1, min_insert_block_size_rows = 200000, min_insert_block_size_bytes = 200000000,
    max_partitions_per_insert_block = 0
