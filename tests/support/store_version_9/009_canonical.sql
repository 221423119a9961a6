-- Written by `python -m sightline_store.canonical` out of the alias table (aliases.py): change that, not this.
-- A span into canonical values, once; nothing is stored here. The views of the typed tables hang off it.
CREATE TABLE IF NOT EXISTS spans_seen
(
    Timestamp DateTime64(9),
    TraceId String,
    SpanId String,
    ParentSpanId String,
    ServiceName LowCardinality(String),
    SpanName LowCardinality(String),
    SpanKind LowCardinality(String),
    ScopeName LowCardinality(String),
    StatusCode LowCardinality(String),
    StatusMessage String,
    Duration UInt64,
    Events Nested (Timestamp DateTime64(9), Name LowCardinality(String), Attributes Map(LowCardinality(String), String)),
    stamped String,
    speaks_otel Bool,
    numbered Map(LowCardinality(String), String),
    found Array(Tuple(UInt16, String))
)
ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS otel_traces_to_spans_seen TO spans_seen AS
SELECT
    Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, SpanName, SpanKind, ScopeName, StatusCode, StatusMessage, Duration, Events.Name, Events.Timestamp, Events.Attributes,
    ResourceAttributes['sightline.tenant'] AS stamped,
    arrayExists(key -> startsWith(key, 'gen_ai.'), mapKeys(SpanAttributes)) AS speaks_otel,
    mapFilter((key, value) -> match(key, '^((retrieval\\.documents|embedding\\.embeddings|evaluations|annotations)\\.[0-9]|ai\\.usage\\.inputTokenDetails\\.cacheReadTokens$)'), SpanAttributes) AS numbered,
    arraySort(one -> one.1, arrayFilter(one -> one.1 > 0, arrayMap(
        (key, value) -> (if(value = '', 0, transform(key, ['sightline.stage', 'gen_ai.operation.name', 'openinference.span.kind', 'gen_ai.span.kind', 'langfuse.observation.type', 'mlflow.spanType', 'langsmith.span.kind', 'ai.operationId', 'llm.request.type', 'braintrust.span_attributes', 'opik.span.type', 'genkit:metadata:subtype', 'weave.op.kind', 'sentry.op', 'traceloop.span.kind', 'traceloop.entity.name', 'gen_ai.openai.api_base', 'llm.usage.total_tokens', 'traceloop.workflow.name', 'traceloop.association.properties.ls_provider', 'logfire.span_type', 'gen_ai.usage.total_tokens', 'llm.token_count.total', 'gen_ai.agent.name', 'gen_ai.tool.name', 'tool.name', 'tenant.id', 'traceloop.association.properties.tenant_id', 'ai.telemetry.metadata.tenantId', 'user.id', 'enduser.id', 'langfuse.user.id', 'gen_ai.user', 'llm.user', 'traceloop.association.properties.user_id', 'ai.telemetry.metadata.userId', 'mlflow.trace.user', 'session.id', 'langfuse.session.id', 'gen_ai.conversation.id', 'traceloop.association.properties.session_id', 'ai.telemetry.metadata.sessionId', 'mlflow.trace.session', 'langsmith.trace.session_id', 'opik.thread_id', 'http.route', 'http.response.status_code', 'http.status_code', 'error.type', 'sightline.stream.outcome', 'sightline.response.outcome', 'gen_ai.provider.name', 'gen_ai.system', 'llm.provider', 'llm.system', 'ai.model.provider', 'gen_ai.request.model', 'llm.request.model_name', 'embedding.model_name', 'reranker.model_name', 'langfuse.observation.model.name', 'ai.model.id', 'llm.request.model', 'gen_ai.rerank.model', 'gen_ai.response.model', 'llm.response.model_name', 'ai.response.model', 'llm.model_name', 'llm.response.model', 'llm.invocation_parameters', 'embedding.invocation_parameters', 'langfuse.observation.model.parameters', 'sightline.model.priced_as', 'sightline.model.note', 'gen_ai.response.service_tier', 'openai.response.service_tier', 'gen_ai.openai.response.service_tier', 'gen_ai.request.service_tier', 'openai.request.service_tier', 'gen_ai.openai.request.service_tier', 'gen_ai.request.stream', 'gen_ai.is_streaming', 'llm.is_streaming', 'gen_ai.request.is_stream', 'gen_ai.response.streaming', 'gen_ai.response.finish_reasons', 'llm.finish_reason', 'gen_ai.response.finish_reason', 'ai.response.finishReason', 'llm.response.finish_reason', 'gen_ai.response.stop_reason', 'llm.response.stop_reason', 'gen_ai.usage.input_tokens', 'llm.token_count.prompt', 'gen_ai.usage.prompt_tokens', 'ai.usage.inputTokens', 'ai.usage.promptTokens', 'ai.usage.tokens', 'llm.usage.prompt_tokens', 'opik.usage.prompt_tokens', 'gen_ai.usage.output_tokens', 'llm.token_count.completion', 'gen_ai.usage.completion_tokens', 'ai.usage.outputTokens', 'ai.usage.completionTokens', 'llm.usage.completion_tokens', 'opik.usage.completion_tokens', 'gen_ai.usage.cache_read.input_tokens', 'llm.token_count.prompt_details.cache_read', 'gen_ai.usage.cache_read_input_tokens', 'gen_ai.usage.cache_read_tokens', 'gen_ai.usage.details.cache_read_tokens', 'gen_ai.usage.details.cache_read_input_tokens', 'gen_ai.usage.input_tokens.cached', 'ai.usage.inputTokenDetails.cacheReadTokens', 'ai.usage.cachedInputTokens', 'gen_ai.usage.cached_input_tokens', 'gen_ai.usage.prompt_tokens_details.cached_tokens', 'gen_ai.usage.cache_creation.input_tokens', 'gen_ai.usage.cache_write.input_tokens', 'llm.token_count.prompt_details.cache_write', 'gen_ai.usage.cache_creation_input_tokens', 'gen_ai.usage.cache_write_tokens', 'gen_ai.usage.cache_write_input_tokens', 'gen_ai.usage.details.cache_write_tokens', 'gen_ai.usage.details.cache_creation_input_tokens', 'gen_ai.usage.input_tokens.cache_write', 'ai.usage.inputTokenDetails.cacheWriteTokens', 'gen_ai.usage.cache_creation.ephemeral_1h_input_tokens', 'gen_ai.usage.details.ephemeral_1h_input_tokens', 'gen_ai.usage.cache_creation_1h_input_tokens', 'gen_ai.usage.reasoning.output_tokens', 'llm.token_count.completion_details.reasoning', 'gen_ai.usage.reasoning_tokens', 'llm.usage.reasoning_tokens', 'gen_ai.usage.details.reasoning_tokens', 'gen_ai.usage.output_tokens.reasoning', 'gen_ai.usage.completion_tokens_details.reasoning_tokens', 'ai.usage.outputTokenDetails.reasoningTokens', 'ai.usage.reasoningTokens', 'llm.token_count.prompt_details.audio', 'gen_ai.usage.details.input_audio_tokens', 'gen_ai.usage.prompt_tokens_details.audio_tokens', 'llm.token_count.completion_details.audio', 'gen_ai.usage.details.output_audio_tokens', 'gen_ai.usage.completion_tokens_details.audio_tokens', 'langfuse.observation.usage_details', 'mlflow.chat.tokenUsage', 'langsmith.usage_metadata', 'braintrust.metrics', 'llm.cost.total', 'gen_ai.usage.cost', 'gen_ai.usage.cost_usd', 'gen_ai.cost.usd', 'operation.cost', 'langfuse.observation.cost_details', 'sightline.stream.longest_stall', 'sightline.stream.chunks', 'db.system.name', 'db.system', 'db.collection.name', 'gen_ai.data_source.id', 'db.milvus.search.collection_name', 'qdrant.search.collection_name', 'db.operation.name', 'db.operation', 'db.vector.query.top_k', 'db.n_results', 'db.chroma.query.n_results', 'db.milvus.search.limit', 'pinecone.query.top_k', 'gen_ai.request.top_k', 'gen_ai.retrieval.top_k', 'gen_ai.rerank.top_k', 'reranker.top_k', 'db.response.returned_rows', 'db.vector.query.result_count', 'gen_ai.retrieval.document_count', 'db.vector.count', 'db.milvus.search.result_count', 'gen_ai.retrieval.documents', 'retrieval.documents.0.document.id', 'retrieval.documents.0.document.content', 'retrieval.documents.0.document.score', 'traceloop.entity.output', 'db.vector.query.top_score', 'sightline.embedding.name', 'sightline.embedding.version', 'sightline.index.version', 'sightline.index.stale', 'sightline.query.sketch', 'sightline.query.sketch.version', 'sightline.retrieval.score_kind', 'db.search.similarity_metric', 'sightline.retrieval.empty', 'gen_ai.embeddings.dimension.count', 'gen_ai.request.embedding_dimension', 'embedding.embeddings.0.embedding.text', 'embedding.embeddings.0.embedding.vector', 'sightline.guardrail.flagged', 'evaluations.0.evaluation.name', 'annotations.0.annotation.name', 'sightline.response.time_to_first_token', 'gen_ai.response.time_to_first_chunk', 'gen_ai.client.operation.time_to_first_chunk', 'gen_ai.client.inference.time_to_first_chunk', 'gen_ai.client.inference.operation.time_to_first_chunk', 'gen_ai.response.time_to_first_token', 'gen_ai.server.time_to_first_token', 'gen_ai.client.time_to_first_token', 'time_to_first_token', 'braintrust.metrics.time_to_first_token', 'gen_ai.response.time_to_first_token_ms', 'gen_ai.server.time_to_first_token_ms', 'time_to_first_token_ms', 'opik.ttft', 'ttft', 'ttft_ms', 'llm.ttft_ms', 'ai.response.msToFirstChunk', 'ai.stream.msToFirstChunk', 'langfuse.observation.completion_start_time', 'langsmith.first_token_time', 'first_token_time'], [32, 64, 96, 97, 98, 99, 100, 101, 102, 103, 104, 105, 106, 107, 108, 128, 160, 161, 162, 163, 164, 165, 166, 167, 168, 169, 192, 193, 194, 224, 225, 226, 227, 228, 229, 230, 231, 256, 257, 258, 259, 260, 261, 262, 263, 288, 320, 321, 352, 384, 385, 416, 417, 418, 419, 420, 448, 449, 450, 451, 452, 453, 454, 455, 480, 481, 482, 483, 484, 512, 513, 514, 544, 576, 608, 609, 610, 611, 612, 613, 640, 641, 642, 643, 644, 672, 673, 674, 675, 676, 677, 678, 704, 705, 706, 707, 708, 709, 710, 711, 736, 737, 738, 739, 740, 741, 742, 768, 769, 770, 771, 772, 773, 774, 775, 776, 777, 778, 800, 801, 802, 803, 804, 805, 806, 807, 808, 809, 832, 833, 834, 864, 865, 866, 867, 868, 869, 870, 871, 872, 896, 897, 898, 928, 929, 930, 960, 961, 962, 963, 992, 993, 994, 995, 996, 1024, 1056, 1088, 1120, 1121, 1152, 1153, 1154, 1155, 1184, 1185, 1216, 1217, 1218, 1219, 1220, 1248, 1249, 1250, 1251, 1280, 1281, 1282, 1283, 1284, 1312, 1344, 1345, 1346, 1376, 1408, 1440, 1472, 1504, 1536, 1568, 1600, 1632, 1633, 1664, 1696, 1697, 1728, 1729, 1760, 1792, 1793, 1824, 1856, 1857, 1858, 1859, 1888, 1889, 1890, 1891, 1892, 1920, 1921, 1922, 1923, 1924, 1925, 1926, 1952, 1953, 1984, 1985, 1986], toUInt16(0))), value),
        mapKeys(SpanAttributes), mapValues(SpanAttributes)))) AS found
FROM otel_traces;

CREATE MATERIALIZED VIEW IF NOT EXISTS otel_traces_sampled_out_to_spans_seen TO spans_seen AS
SELECT
    Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, SpanName, SpanKind, ScopeName, StatusCode, StatusMessage, Duration, Events.Name, Events.Timestamp, Events.Attributes,
    ResourceAttributes['sightline.tenant'] AS stamped,
    arrayExists(key -> startsWith(key, 'gen_ai.'), mapKeys(SpanAttributes)) AS speaks_otel,
    mapFilter((key, value) -> match(key, '^((retrieval\\.documents|embedding\\.embeddings|evaluations|annotations)\\.[0-9]|ai\\.usage\\.inputTokenDetails\\.cacheReadTokens$)'), SpanAttributes) AS numbered,
    arraySort(one -> one.1, arrayFilter(one -> one.1 > 0, arrayMap(
        (key, value) -> (if(value = '', 0, transform(key, ['sightline.stage', 'gen_ai.operation.name', 'openinference.span.kind', 'gen_ai.span.kind', 'langfuse.observation.type', 'mlflow.spanType', 'langsmith.span.kind', 'ai.operationId', 'llm.request.type', 'braintrust.span_attributes', 'opik.span.type', 'genkit:metadata:subtype', 'weave.op.kind', 'sentry.op', 'traceloop.span.kind', 'traceloop.entity.name', 'gen_ai.openai.api_base', 'llm.usage.total_tokens', 'traceloop.workflow.name', 'traceloop.association.properties.ls_provider', 'logfire.span_type', 'gen_ai.usage.total_tokens', 'llm.token_count.total', 'gen_ai.agent.name', 'gen_ai.tool.name', 'tool.name', 'tenant.id', 'traceloop.association.properties.tenant_id', 'ai.telemetry.metadata.tenantId', 'user.id', 'enduser.id', 'langfuse.user.id', 'gen_ai.user', 'llm.user', 'traceloop.association.properties.user_id', 'ai.telemetry.metadata.userId', 'mlflow.trace.user', 'session.id', 'langfuse.session.id', 'gen_ai.conversation.id', 'traceloop.association.properties.session_id', 'ai.telemetry.metadata.sessionId', 'mlflow.trace.session', 'langsmith.trace.session_id', 'opik.thread_id', 'http.route', 'http.response.status_code', 'http.status_code', 'error.type', 'sightline.stream.outcome', 'sightline.response.outcome', 'gen_ai.provider.name', 'gen_ai.system', 'llm.provider', 'llm.system', 'ai.model.provider', 'gen_ai.request.model', 'llm.request.model_name', 'embedding.model_name', 'reranker.model_name', 'langfuse.observation.model.name', 'ai.model.id', 'llm.request.model', 'gen_ai.rerank.model', 'gen_ai.response.model', 'llm.response.model_name', 'ai.response.model', 'llm.model_name', 'llm.response.model', 'llm.invocation_parameters', 'embedding.invocation_parameters', 'langfuse.observation.model.parameters', 'sightline.model.priced_as', 'sightline.model.note', 'gen_ai.response.service_tier', 'openai.response.service_tier', 'gen_ai.openai.response.service_tier', 'gen_ai.request.service_tier', 'openai.request.service_tier', 'gen_ai.openai.request.service_tier', 'gen_ai.request.stream', 'gen_ai.is_streaming', 'llm.is_streaming', 'gen_ai.request.is_stream', 'gen_ai.response.streaming', 'gen_ai.response.finish_reasons', 'llm.finish_reason', 'gen_ai.response.finish_reason', 'ai.response.finishReason', 'llm.response.finish_reason', 'gen_ai.response.stop_reason', 'llm.response.stop_reason', 'gen_ai.usage.input_tokens', 'llm.token_count.prompt', 'gen_ai.usage.prompt_tokens', 'ai.usage.inputTokens', 'ai.usage.promptTokens', 'ai.usage.tokens', 'llm.usage.prompt_tokens', 'opik.usage.prompt_tokens', 'gen_ai.usage.output_tokens', 'llm.token_count.completion', 'gen_ai.usage.completion_tokens', 'ai.usage.outputTokens', 'ai.usage.completionTokens', 'llm.usage.completion_tokens', 'opik.usage.completion_tokens', 'gen_ai.usage.cache_read.input_tokens', 'llm.token_count.prompt_details.cache_read', 'gen_ai.usage.cache_read_input_tokens', 'gen_ai.usage.cache_read_tokens', 'gen_ai.usage.details.cache_read_tokens', 'gen_ai.usage.details.cache_read_input_tokens', 'gen_ai.usage.input_tokens.cached', 'ai.usage.inputTokenDetails.cacheReadTokens', 'ai.usage.cachedInputTokens', 'gen_ai.usage.cached_input_tokens', 'gen_ai.usage.prompt_tokens_details.cached_tokens', 'gen_ai.usage.cache_creation.input_tokens', 'gen_ai.usage.cache_write.input_tokens', 'llm.token_count.prompt_details.cache_write', 'gen_ai.usage.cache_creation_input_tokens', 'gen_ai.usage.cache_write_tokens', 'gen_ai.usage.cache_write_input_tokens', 'gen_ai.usage.details.cache_write_tokens', 'gen_ai.usage.details.cache_creation_input_tokens', 'gen_ai.usage.input_tokens.cache_write', 'ai.usage.inputTokenDetails.cacheWriteTokens', 'gen_ai.usage.cache_creation.ephemeral_1h_input_tokens', 'gen_ai.usage.details.ephemeral_1h_input_tokens', 'gen_ai.usage.cache_creation_1h_input_tokens', 'gen_ai.usage.reasoning.output_tokens', 'llm.token_count.completion_details.reasoning', 'gen_ai.usage.reasoning_tokens', 'llm.usage.reasoning_tokens', 'gen_ai.usage.details.reasoning_tokens', 'gen_ai.usage.output_tokens.reasoning', 'gen_ai.usage.completion_tokens_details.reasoning_tokens', 'ai.usage.outputTokenDetails.reasoningTokens', 'ai.usage.reasoningTokens', 'llm.token_count.prompt_details.audio', 'gen_ai.usage.details.input_audio_tokens', 'gen_ai.usage.prompt_tokens_details.audio_tokens', 'llm.token_count.completion_details.audio', 'gen_ai.usage.details.output_audio_tokens', 'gen_ai.usage.completion_tokens_details.audio_tokens', 'langfuse.observation.usage_details', 'mlflow.chat.tokenUsage', 'langsmith.usage_metadata', 'braintrust.metrics', 'llm.cost.total', 'gen_ai.usage.cost', 'gen_ai.usage.cost_usd', 'gen_ai.cost.usd', 'operation.cost', 'langfuse.observation.cost_details', 'sightline.stream.longest_stall', 'sightline.stream.chunks', 'db.system.name', 'db.system', 'db.collection.name', 'gen_ai.data_source.id', 'db.milvus.search.collection_name', 'qdrant.search.collection_name', 'db.operation.name', 'db.operation', 'db.vector.query.top_k', 'db.n_results', 'db.chroma.query.n_results', 'db.milvus.search.limit', 'pinecone.query.top_k', 'gen_ai.request.top_k', 'gen_ai.retrieval.top_k', 'gen_ai.rerank.top_k', 'reranker.top_k', 'db.response.returned_rows', 'db.vector.query.result_count', 'gen_ai.retrieval.document_count', 'db.vector.count', 'db.milvus.search.result_count', 'gen_ai.retrieval.documents', 'retrieval.documents.0.document.id', 'retrieval.documents.0.document.content', 'retrieval.documents.0.document.score', 'traceloop.entity.output', 'db.vector.query.top_score', 'sightline.embedding.name', 'sightline.embedding.version', 'sightline.index.version', 'sightline.index.stale', 'sightline.query.sketch', 'sightline.query.sketch.version', 'sightline.retrieval.score_kind', 'db.search.similarity_metric', 'sightline.retrieval.empty', 'gen_ai.embeddings.dimension.count', 'gen_ai.request.embedding_dimension', 'embedding.embeddings.0.embedding.text', 'embedding.embeddings.0.embedding.vector', 'sightline.guardrail.flagged', 'evaluations.0.evaluation.name', 'annotations.0.annotation.name', 'sightline.response.time_to_first_token', 'gen_ai.response.time_to_first_chunk', 'gen_ai.client.operation.time_to_first_chunk', 'gen_ai.client.inference.time_to_first_chunk', 'gen_ai.client.inference.operation.time_to_first_chunk', 'gen_ai.response.time_to_first_token', 'gen_ai.server.time_to_first_token', 'gen_ai.client.time_to_first_token', 'time_to_first_token', 'braintrust.metrics.time_to_first_token', 'gen_ai.response.time_to_first_token_ms', 'gen_ai.server.time_to_first_token_ms', 'time_to_first_token_ms', 'opik.ttft', 'ttft', 'ttft_ms', 'llm.ttft_ms', 'ai.response.msToFirstChunk', 'ai.stream.msToFirstChunk', 'langfuse.observation.completion_start_time', 'langsmith.first_token_time', 'first_token_time'], [32, 64, 96, 97, 98, 99, 100, 101, 102, 103, 104, 105, 106, 107, 108, 128, 160, 161, 162, 163, 164, 165, 166, 167, 168, 169, 192, 193, 194, 224, 225, 226, 227, 228, 229, 230, 231, 256, 257, 258, 259, 260, 261, 262, 263, 288, 320, 321, 352, 384, 385, 416, 417, 418, 419, 420, 448, 449, 450, 451, 452, 453, 454, 455, 480, 481, 482, 483, 484, 512, 513, 514, 544, 576, 608, 609, 610, 611, 612, 613, 640, 641, 642, 643, 644, 672, 673, 674, 675, 676, 677, 678, 704, 705, 706, 707, 708, 709, 710, 711, 736, 737, 738, 739, 740, 741, 742, 768, 769, 770, 771, 772, 773, 774, 775, 776, 777, 778, 800, 801, 802, 803, 804, 805, 806, 807, 808, 809, 832, 833, 834, 864, 865, 866, 867, 868, 869, 870, 871, 872, 896, 897, 898, 928, 929, 930, 960, 961, 962, 963, 992, 993, 994, 995, 996, 1024, 1056, 1088, 1120, 1121, 1152, 1153, 1154, 1155, 1184, 1185, 1216, 1217, 1218, 1219, 1220, 1248, 1249, 1250, 1251, 1280, 1281, 1282, 1283, 1284, 1312, 1344, 1345, 1346, 1376, 1408, 1440, 1472, 1504, 1536, 1568, 1600, 1632, 1633, 1664, 1696, 1697, 1728, 1729, 1760, 1792, 1793, 1824, 1856, 1857, 1858, 1859, 1888, 1889, 1890, 1891, 1892, 1920, 1921, 1922, 1923, 1924, 1925, 1926, 1952, 1953, 1984, 1985, 1986], toUInt16(0))), value),
        mapKeys(SpanAttributes), mapValues(SpanAttributes)))) AS found
FROM otel_traces_sampled_out;

CREATE TABLE IF NOT EXISTS spans_canonical
(
    Timestamp DateTime64(9),
    TraceId String,
    SpanId String,
    ParentSpanId String,
    ServiceName LowCardinality(String),
    Name LowCardinality(String),
    ScopeName LowCardinality(String),
    numbered Map(LowCardinality(String), String),
    EventNames Array(LowCardinality(String)),
    EventAttributes Array(Map(LowCardinality(String), String)),
    StatusCode LowCardinality(String),
    told Map(UInt8, String),
    Convention LowCardinality(String),
    ToldStage LowCardinality(String),
    Kind LowCardinality(String),
    IsRequest Bool,
    Tenant String,
    UserId String,
    SessionId String,
    ErrorType String,
    ErrorMessage String,
    DurationMs Float64,
    TtftMs Nullable(Float64),
    TtftDefinition LowCardinality(String)
)
ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS spans_seen_to_spans_canonical TO spans_canonical AS
SELECT
    Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, SpanName AS Name, ScopeName, numbered,
    Events.Name AS EventNames, Events.Attributes AS EventAttributes, StatusCode, told,
    multiIf(
        told_stage != '', 'sightline',
        convention != '', convention,
        scope != '', scope,
        speaks_otel, 'otel',
        '') AS Convention,
    told_stage AS ToldStage,
    multiIf(
        operation_kind = 'agent' AND named_kind = 'workflow', named_kind,
        operation_kind != '', operation_kind,
        named_kind != '', named_kind,
        told_stage IN ('search', 'model', 'embed'), told_stage,
        mapContains(told, 4), if(match(told[4], 'Retriever(\\.task)?$'), 'search', ''),
        mapContains(told, 38), 'search',
        -- A search told by our own library without a stage is one step of a retrieval that is told around it.
        lower(told[35]) IN ('weaviate', 'pinecone', 'qdrant', 'milvus', 'chroma', 'chromadb', 'lancedb', 'marqo', 'vespa', 'turbopuffer', 'vectordb')
            AND lower(told[37]) IN ('query', 'search', 'hybrid', 'hybrid_search', 'near_vector', 'near_text', 'near_object', 'bm25', 'similarity_search', 'search_batch', 'query_points') AND ScopeName != 'sightline', 'search',
        '') AS Kind,
    told_stage = 'request' OR (ParentSpanId = '' AND told_stage IN ('', 'workflow', 'agent', 'model')
        AND (SpanKind NOT IN ('Client', 'Producer') OR told[2] != '' OR named_kind != '')) AS IsRequest,
    if(stamped != '', stamped, told[6]) AS Tenant,
    trim(BOTH '"' FROM told[7]) AS UserId,
    trim(BOTH '"' FROM told[8]) AS SessionId,
    multiIf(mapContains(told, 11), told[11], exception > 0, Events.Attributes[exception]['exception.type'], '') AS ErrorType,
    left(if(StatusMessage != '' OR exception = 0, StatusMessage, Events.Attributes[exception]['exception.message']), 1000) AS ErrorMessage,
    Duration / 1e6 AS DurationMs,
    nullIf(least(ttft.2, if(ttft.1 >= 254, ttft.2, Duration / 1e6)), 0) AS TtftMs,
    transform(ttft.1, [57, 58, 59, 60, 61, 62, 254, 255], ['delivered', 'first_chunk', 'first_token', 'first_token', 'first_chunk', 'first_token', 'first_chunk', 'first_token'], '') AS TtftDefinition
FROM
(
    SELECT
        Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, SpanName, SpanKind, ScopeName, StatusCode, StatusMessage, Duration, Events.Name, Events.Timestamp, Events.Attributes, told, stamped, speaks_otel, numbered,
        told[1] AS told_stage,
        transform(lower(trim(BOTH '"' FROM told[2])), ['chat', 'text_completion', 'generate_content', 'completion', 'llm', 'generation', 'chat_model', 'model', 'responses', 'ai.generatetext.dogenerate', 'ai.streamtext.dostream', 'ai.generateobject.dogenerate', 'ai.streamobject.dostream', 'gen_ai.chat', 'gen_ai.generate_content', 'embeddings', 'embedding', 'embedder', 'ai.embed.doembed', 'ai.embedmany.doembed', 'gen_ai.embeddings', 'retrieval', 'retriever', 'retrieve', 'vector_db_retrieve', 'search', 'rerank', 'reranker', 'execute_tool', 'tool', 'ai.toolcall', 'tool_call', 'gen_ai.execute_tool', 'invoke_agent', 'create_agent', 'agent', 'gen_ai.invoke_agent', 'invoke_workflow', 'workflow', 'chain', 'ai.generatetext', 'ai.streamtext', 'ai.generateobject', 'ai.streamobject', 'ai.embed', 'ai.embedmany', 'guardrail', 'guard', 'prompt', 'cache', 'queue', 'evaluator'], ['model', 'model', 'model', 'model', 'model', 'model', 'model', 'model', 'model', 'model', 'model', 'model', 'model', 'model', 'model', 'embed', 'embed', 'embed', 'embed', 'embed', 'embed', 'search', 'search', 'search', 'search', 'search', 'rerank', 'rerank', 'tool', 'tool', 'tool', 'tool', 'tool', 'agent', 'agent', 'agent', 'agent', 'workflow', 'workflow', 'workflow', 'workflow', 'workflow', 'workflow', 'workflow', 'workflow', 'workflow', 'guard', 'guard', 'prompt', 'cache', 'queue', 'evaluator'], '') AS operation_kind,
        transform(lower(trim(BOTH '"' FROM told[3])), ['chat', 'text_completion', 'generate_content', 'completion', 'llm', 'generation', 'chat_model', 'model', 'responses', 'ai.generatetext.dogenerate', 'ai.streamtext.dostream', 'ai.generateobject.dogenerate', 'ai.streamobject.dostream', 'gen_ai.chat', 'gen_ai.generate_content', 'embeddings', 'embedding', 'embedder', 'ai.embed.doembed', 'ai.embedmany.doembed', 'gen_ai.embeddings', 'retrieval', 'retriever', 'retrieve', 'vector_db_retrieve', 'search', 'rerank', 'reranker', 'execute_tool', 'tool', 'ai.toolcall', 'tool_call', 'gen_ai.execute_tool', 'invoke_agent', 'create_agent', 'agent', 'gen_ai.invoke_agent', 'invoke_workflow', 'workflow', 'chain', 'ai.generatetext', 'ai.streamtext', 'ai.generateobject', 'ai.streamobject', 'ai.embed', 'ai.embedmany', 'guardrail', 'guard', 'prompt', 'cache', 'queue', 'evaluator'], ['model', 'model', 'model', 'model', 'model', 'model', 'model', 'model', 'model', 'model', 'model', 'model', 'model', 'model', 'model', 'embed', 'embed', 'embed', 'embed', 'embed', 'embed', 'search', 'search', 'search', 'search', 'search', 'rerank', 'rerank', 'tool', 'tool', 'tool', 'tool', 'tool', 'agent', 'agent', 'agent', 'agent', 'workflow', 'workflow', 'workflow', 'workflow', 'workflow', 'workflow', 'workflow', 'workflow', 'workflow', 'guard', 'guard', 'prompt', 'cache', 'queue', 'evaluator'], '') AS named_kind,
        transform(arrayFirst(id -> has([96, 97, 98, 99, 100, 101, 102, 103, 104, 105, 106, 107, 108, 641, 642, 160, 161, 162, 163, 993, 164, 166, 960, 452], id), found.1), [96, 97, 98, 99, 100, 101, 102, 103, 104, 105, 106, 107, 108, 641, 642, 160, 161, 162, 163, 993, 164, 166, 960, 452], ['openinference', 'loongsuite', 'langfuse', 'mlflow', 'langsmith', 'vercel', 'openllmetry', 'braintrust', 'opik', 'genkit', 'weave', 'sentry', 'openllmetry', 'openllmetry', 'openllmetry', 'openllmetry', 'openllmetry', 'openllmetry', 'openllmetry', 'openlit', 'logfire', 'openinference', 'langfuse', 'langfuse'], '') AS convention,
        transform(extract(ScopeName, '^(sightline|openinference\\.|openlit|pydantic\\-ai|logfire|langfuse|strands|opik|braintrust|traceloop)'), ['sightline', 'openinference.', 'openlit', 'pydantic-ai', 'logfire', 'langfuse', 'strands', 'opik', 'braintrust', 'traceloop'], ['sightline', 'openinference', 'openlit', 'pydantic_ai', 'logfire', 'langfuse', 'strands', 'opik', 'braintrust', 'openllmetry'], '') AS scope,
        indexOf(Events.Name, 'exception') AS exception,
        -- Of the times to first token that are told, the first plausible one: its column's number or an event's, ms.
            if(found[-1].1 >= 1824 OR length(told_all) > length(found) OR notEmpty(Events.Name), arrayFirst(one -> one.2 > 0 AND one.2 <= multiIf(one.1 >= 254, 3600e3, one.1 = 0, 0, Duration / 1e6 + (Duration > 0)),
            arrayConcat(
                arrayMap(one -> (one.1, if(one.1 = 62,
                        dateDiff('nanosecond', Timestamp, parseDateTime64BestEffortOrZero(trim(BOTH '"' FROM one.2), 9, 'UTC')) / 1e6,
                        toFloat64OrZero(one.2) * multiIf(one.1 IN (60, 61), 1, one.1 = 59 AND toFloat64OrZero(one.2) * 1e9 > Duration + 1e6, 1e-6, 1e3))),
                    arrayFilter(one -> one.1 >= 57, told_all)),
                arrayMap((name, moment) -> (transform(name, ['First Token Stream Event', 'first_token', 'llm.first_token', 'new_token', 'ai.stream.firstChunk', 'gen_ai.content.chunk', 'gen_ai.content.completion.chunk', 'llm.content.completion.chunk'], [255, 255, 255, 255, 254, 254, 254, 254], toUInt8(0)),
                    dateDiff('nanosecond', Timestamp, moment) / 1e6), Events.Name, Events.Timestamp))), (0, 0.)) AS ttft
    FROM
    (
        -- What stands in JSON objects comes last: a key's first value counts.
        SELECT
            Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, SpanName, SpanKind, ScopeName, StatusCode, StatusMessage, Duration, Events.Name, Events.Timestamp, Events.Attributes, stamped, speaks_otel, numbered, found,
            arrayConcat(
                arrayMap(one -> (toUInt8(intDiv(one.1, 32)), one.2), found),
                arrayFilter(member -> member.1 > 0, arrayMap(
                    member -> (transform(member.1, ['input', 'input_tokens', 'prompt_tokens', 'output', 'output_tokens', 'completion_tokens', 'input_cached_tokens', 'cache_read_input_tokens', 'input_cache_read', 'prompt_cached_tokens', 'cache_creation_input_tokens', 'input_cache_creation', 'prompt_cache_creation_tokens', 'output_reasoning_tokens', 'reasoning_tokens', 'completion_reasoning_tokens', 'model', 'stream', 'time_to_first_token'], [22, 22, 22, 23, 23, 23, 24, 24, 24, 24, 25, 25, 25, 27, 27, 27, 14, 20, 59], toUInt8(0)), trim(BOTH '"' FROM member.2)),
                    arrayFlatten(arrayMap(one -> JSONExtractKeysAndValuesRaw(one.2),
                        arrayFilter(one -> intDiv(one.1, 32) IN (30, 16), found)))))) AS told_all,
            CAST(told_all, 'Map(UInt8, String)') AS told
        FROM spans_seen
        WHERE ParentSpanId = '' OR StatusCode = 'Error' OR notEmpty(Events.Name) OR notEmpty(found)
    )
);

CREATE TABLE IF NOT EXISTS calls_canonical
(
    Timestamp DateTime64(9),
    TraceId String,
    SpanId String,
    ParentSpanId String,
    ServiceName LowCardinality(String),
    Tenant LowCardinality(String),
    UserId String,
    SessionId String,
    Convention LowCardinality(String),
    Kind LowCardinality(String),
    Provider LowCardinality(String),
    RequestModel LowCardinality(String),
    numbered Map(LowCardinality(String), String),
    EventNames Array(LowCardinality(String)),
    EventAttributes Array(Map(LowCardinality(String), String)),
    told Map(UInt8, String),
    counts Map(UInt8, Nullable(UInt64)),
    ToldCostUsd Nullable(Float64),
    DurationMs Float64,
    TtftMs Nullable(Float64),
    TtftDefinition LowCardinality(String),
    StatusCode LowCardinality(String),
    ErrorType LowCardinality(String)
)
ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS spans_canonical_to_calls_canonical TO calls_canonical AS
SELECT
    Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, Tenant, UserId, SessionId, Convention, Kind,
    transform(provider, ['openai.chat', 'openai.responses', 'openai.embedding', 'openai_llm', 'anthropic.messages', 'anthropic_llm', 'az.ai.openai', 'azure_openai', 'azure-openai', 'azure.openai', 'azure_openai_llm', 'azure', 'az.ai.inference', 'aws_bedrock', 'bedrock', 'amazon-bedrock', 'amazon_bedrock', 'bedrock_converse', 'aws', 'gemini', 'google.generative-ai', 'google_genai', 'google-generative-ai', 'vertex_ai', 'vertexai', 'google.vertex.chat', 'google_vertexai', 'google-vertex', 'vertex', 'google', 'google.genai', 'mistralai', 'mistral', 'mistral.chat', 'mistralai_llm', 'xai', 'xai.chat', 'grok', 'cohere.chat', 'cohere_llm', 'groq.chat', 'groq_llm', 'ollama_llm', 'ollama.chat', 'watsonx', 'ibm_watsonx', 'ibm-watsonx-ai', 'together', 'togetherai', 'together.ai', 'deepseek.chat', 'perplexity.chat', 'perplexity_ai'], ['openai', 'openai', 'openai', 'openai', 'anthropic', 'anthropic', 'azure.ai.openai', 'azure.ai.openai', 'azure.ai.openai', 'azure.ai.openai', 'azure.ai.openai', 'azure.ai.openai', 'azure.ai.inference', 'aws.bedrock', 'aws.bedrock', 'aws.bedrock', 'aws.bedrock', 'aws.bedrock', 'aws.bedrock', 'gcp.gemini', 'gcp.gemini', 'gcp.gemini', 'gcp.gemini', 'gcp.vertex_ai', 'gcp.vertex_ai', 'gcp.vertex_ai', 'gcp.vertex_ai', 'gcp.vertex_ai', 'gcp.vertex_ai', 'gcp.gen_ai', 'gcp.gen_ai', 'mistral_ai', 'mistral_ai', 'mistral_ai', 'mistral_ai', 'x_ai', 'x_ai', 'x_ai', 'cohere', 'cohere', 'groq', 'groq', 'ollama', 'ollama', 'ibm.watsonx.ai', 'ibm.watsonx.ai', 'ibm.watsonx.ai', 'together_ai', 'together_ai', 'together_ai', 'deepseek', 'perplexity', 'perplexity'], provider) AS Provider,
    trim(BOTH '"' FROM if(mapContains(told, 14), told[14], told[15])) AS RequestModel,
    numbered, EventNames, EventAttributes, told,
    mapApply((number, text) -> (number, if(toUInt64OrNull(text) <= 100000000, toUInt64OrNull(text), NULL)), told) AS counts,
    if(told_cost >= 0, told_cost, JSONExtract(told[32], 'total', 'Nullable(Float64)')) AS ToldCostUsd,
    DurationMs, TtftMs, TtftDefinition, StatusCode, ErrorType
FROM
(
    SELECT
        Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, Tenant, UserId, SessionId, Convention, Kind, numbered, EventNames, EventAttributes, told, DurationMs, TtftMs, TtftDefinition, StatusCode, ErrorType,
        lower(told[13]) AS provider,
        toFloat64OrNull(told[31]) AS told_cost,
        Kind = 'model' AS inner_wins,
        CAST((cityHash64(SpanId), cityHash64(ParentSpanId), cityHash64(ScopeName),
            (toUnixTimestamp64Nano(Timestamp), -DurationMs, SpanId), toUnixTimestamp64Nano(Timestamp) + toInt64(DurationMs * 1e6),
            if(Kind = 'model' AND mapContains(told, 22), cityHash64(told[22], told[23]), cityHash64(SpanId)),
            4 * (Kind = 'search' AND (hasAny(mapKeys(told), [41, 42, 43]) OR has(EventNames, 'db.query.result'))) + 2 * hasAny(mapKeys(told), [40, 22, 23]) + (Convention = 'sightline')),
            'Tuple(id UInt64, parent UInt64, scope UInt64, outermost Tuple(Int64, Float64, String), ended Int64, tokens UInt64, rank Int8)') AS me,
        groupArray(me) OVER (PARTITION BY TraceId, Kind ORDER BY Timestamp ROWS BETWEEN 16 PRECEDING AND 16 FOLLOWING) AS around
    FROM spans_canonical
    WHERE Kind IN ('model', 'search', 'embed')
)
WHERE TraceId = '' OR length(around) = 1 OR NOT arrayExists(
    -- Another one of the same call wins if it tells more than this one, or as much and stands on the side that wins.
    one -> one.id != me.id AND one.rank + multiIf(
        one.parent = me.id, inner_wins,
        one.id = me.parent, 1 - inner_wins,
        one.tokens != me.tokens OR one.scope = me.scope, -99,
        one.outermost < me.outermost, if(one.ended >= me.ended, 0, -99),
        if(one.ended <= me.ended, 1, -99)) > me.rank,
    around);

CREATE MATERIALIZED VIEW IF NOT EXISTS spans_canonical_to_requests TO requests AS
SELECT
    Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, Tenant, Name, told[9] AS Route, UserId, SessionId, Convention, StatusCode,
    toUInt16OrZero(told[10]) AS HttpStatus,
    ErrorType, told[12] AS Outcome, DurationMs, TtftMs, TtftDefinition
FROM spans_canonical
WHERE IsRequest;

CREATE MATERIALIZED VIEW IF NOT EXISTS calls_canonical_to_llm_calls TO llm_calls AS
SELECT
    Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, Tenant, UserId, SessionId, Convention,
    told[2] AS Operation,
    Provider, RequestModel,
    told[15] AS ResponseModel,
    told[17] AS PricedAs,
    told[18] AS Note,
    told[19] AS ServiceTier,
    multiIf(
        mapContains(told, 20), lower(told[20]) IN ('true', '1'),
        startsWith(told[3], 'ai.stream'), true,
        NULL) AS Streaming,
    -- The first of a list.
    replaceRegexpOne(told[21], '^\\[("([^"]*)")?.*', '\\2') AS FinishReason,
    told_input + if(cache_apart, cached, 0) AS InputTokens,
    told_output + if(reasoning_apart, reasoning, 0) AS OutputTokens,
    counts[24] AS CacheReadTokens,
    counts[25] AS CacheWriteTokens,
    counts[26] AS CacheWrite1hTokens,
    reasoning AS ReasoningTokens,
    counts[28] AS InputAudioTokens,
    counts[29] AS OutputAudioTokens,
    cache_apart AS CacheAdded,
    ToldCostUsd, DurationMs, TtftMs, TtftDefinition,
    toFloat64OrNull(told[33]) * 1e3 AS LongestStallMs,
    toUInt32OrNull(told[34]) AS Chunks,
    told[12] AS Outcome,
    StatusCode, ErrorType
FROM
(
    SELECT
        Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, Tenant, UserId, SessionId, Convention, Provider, RequestModel, told, counts, ToldCostUsd, DurationMs, TtftMs, TtftDefinition, StatusCode, ErrorType,
        counts[22] AS told_input,
        counts[23] AS told_output,
        counts[27] AS reasoning,
        ifNull(counts[24], 0) + ifNull(counts[25], 0) AS cached,
        -- Langfuse's usage details do not hold each other.
        Convention = 'langfuse' AND mapContains(told, 30) AS is_apart,
        cached > 0 AND (is_apart OR ifNull(cached > told_input, false) OR (Convention IN ('openlit', 'vercel', 'opik', 'sentry')
            AND Provider IN ('anthropic', 'aws.bedrock', 'gcp.vertex_ai') AND NOT mapContains(numbered, 'ai.usage.inputTokenDetails.cacheReadTokens'))) AS cache_apart,
        ifNull(reasoning > 0 AND (is_apart OR reasoning > told_output), false) AS reasoning_apart
    FROM calls_canonical
    WHERE Kind = 'model'
);

CREATE MATERIALIZED VIEW IF NOT EXISTS calls_canonical_to_retrievals TO retrievals AS
SELECT
    Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, Tenant, Convention,
    told[35] AS System,
    told[36] AS Collection,
    told[37] AS Operation,
    told[45] AS Embedding,
    told[46] AS EmbeddingVersion,
    told[47] AS IndexVersion,
    told[49] AS QuerySketch,
    told[50] AS QuerySketchVersion,
    told[51] AS ScoreKind,
    toUInt32OrNull(if(mapContains(told, 39), told[39], told[38])) AS TopK,
    ifNull(toUInt32OrNull(told[40]), if(listed OR notEmpty(documents), toUInt32(length(documents)), NULL)) AS Returned,
    if(mapContains(told, 52), told[52] = 'true', ifNull(Returned = 0, false)) AS IsEmpty,
    if(mapContains(told, 48), told[48] IN ('true', '1'), NULL) AS IsStale,
    documents.id AS DocumentIds,
    documents.score AS Scores,
    multiIf(empty(documents), toFloat64OrNull(told[44]), ScoreKind = 'distance', arrayMin(Scores), arrayMax(Scores)) AS TopScore,
    DurationMs, StatusCode, ErrorType
FROM
(
    SELECT
        Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, Tenant, Convention, told, DurationMs, StatusCode, ErrorType,
        mapContains(told, 41) OR mapContains(told, 42) AS listed,
        CAST(multiIf(
            mapContains(told, 41), JSONExtract(told[41], 'Array(Tuple(id String, score Nullable(Float64)))'),
            -- The numbers N of retrieval.documents.N.document.*, in order.
            mapContains(told, 42), arrayMap(
                place -> (
                    if(numbered[concat(place, 'id')] != '', numbered[concat(place, 'id')],
                        JSONExtractString(numbered[concat(place, 'metadata')], 'id')),
                    toFloat64OrNull(numbered[concat(place, 'score')])),
                arrayMap(number -> concat('retrieval.documents.', toString(number), '.document.'), arraySort(arrayDistinct(arrayMap(
                    key -> toUInt32OrZero(extract(key, '^retrieval.documents.([0-9]+)')),
                    arrayFilter(key -> startsWith(key, 'retrieval.documents.'), mapKeys(numbered))))))),
            has(EventNames, 'db.query.result'), arrayMap(a -> (a['db.query.result.id'],
                toFloat64OrNull(if(a['db.query.result.score'] != '', a['db.query.result.score'], a['db.query.result.distance']))),
                arrayFilter((a, name) -> name = 'db.query.result', EventAttributes, EventNames)),
            startsWith(told[43], '{'), arrayMap(d -> (if(d.id != '', d.id, d.metadata.id), CAST(NULL, 'Nullable(Float64)')),
                JSONExtract(told[43], 'documents', 'Array(Tuple(id String, metadata Tuple(id String)))')),
            arrayMap(node -> (JSONExtractString(node, 'node', 'id_'), JSONExtract(node, 'score', 'Nullable(Float64)')),
                JSONExtract(told[43], 'Array(String)'))), 'Array(Tuple(id String, score Nullable(Float64)))') AS documents
    FROM calls_canonical
    WHERE Kind = 'search'
);

CREATE MATERIALIZED VIEW IF NOT EXISTS calls_canonical_to_embeddings TO embeddings AS
SELECT
    Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, Tenant, UserId, SessionId, Convention,
    Provider, RequestModel,
    told[15] AS ResponseModel,
    told[17] AS PricedAs,
    told[45] AS Embedding,
    told[46] AS EmbeddingVersion,
    toUInt32OrNull(told[53]) AS Dimensions,
    if(mapContains(told, 54), toUInt32(length(arrayDistinct(arrayMap(key -> splitByChar('.', toString(key))[3],
        arrayFilter(key -> startsWith(key, 'embedding.embeddings.'), mapKeys(numbered)))))), NULL) AS Texts,
    counts[22] AS InputTokens,
    ToldCostUsd, DurationMs, StatusCode, ErrorType
FROM calls_canonical
WHERE Kind = 'embed';

CREATE MATERIALIZED VIEW IF NOT EXISTS spans_canonical_to_stages TO stages AS
SELECT Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, Tenant, if(ToldStage != '', ToldStage, Kind) AS Stage, Name, Convention, DurationMs, TtftMs, TtftDefinition, StatusCode, ErrorType, told[55] = 'true' AS Flagged
FROM spans_canonical
WHERE Stage NOT IN ('', 'request', 'workflow', 'evaluator');

CREATE MATERIALIZED VIEW IF NOT EXISTS spans_canonical_to_errors TO errors AS
SELECT Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, Tenant, if(ToldStage != '', ToldStage, Kind) AS Stage, Name, ErrorType, ErrorMessage AS Message, DurationMs
FROM spans_canonical
WHERE StatusCode = 'Error' OR ErrorType != '';

CREATE MATERIALIZED VIEW IF NOT EXISTS spans_canonical_to_scores TO scores AS
SELECT
    Timestamp, TraceId, SpanId, ServiceName, one[1] AS Name,
    if(isFinite(toFloat64OrNull(one[2])), toFloat64OrNull(one[2]), NULL) AS Value,
    one[3] AS Label, one[4] AS Explanation, one[5] AS Judge, one[6] AS JudgeVersion, one[7] AS RunId,
    transform(one[8], ['HUMAN', 'LLM', 'CODE'], ['human', 'llm', 'code']) AS Source, one[9] AS Note, one[10] AS ErrorType
FROM
(
    SELECT
        Timestamp, TraceId, SpanId, ServiceName,
        arrayJoin(arrayConcat(
            arrayMap(a -> arrayMap(key -> a[key], ['gen_ai.evaluation.name', 'gen_ai.evaluation.score.value', 'gen_ai.evaluation.score.label', 'gen_ai.evaluation.explanation', 'sightline.evaluation.judge', 'sightline.evaluation.judge_version', 'sightline.evaluation.run.id', 'sightline.evaluation.source', 'sightline.evaluation.note', 'error.type']),
                arrayFilter((a, name) -> name = 'gen_ai.evaluation.result', EventAttributes, EventNames)),
            -- evaluations.N.evaluation.name and annotations.N.annotation.name, with what stands beside it.
            arrayMap(name -> arrayMap(end -> numbered[concat(substring(name, 1, length(name) - 4), end)], ['name', 'score', 'label', 'explanation', 'identifier', '-', '-', 'annotator_kind', '-', '-']),
                arrayFilter((key, value) -> value != '' AND match(key, '^(evaluations|annotations)\\.[0-9]+\\.(evaluation|annotation)\\.name$'),
                    mapKeys(numbered), mapValues(numbered))))) AS one
    FROM spans_canonical
    WHERE mapContains(told, 56) OR has(EventNames, 'gen_ai.evaluation.result')
);

-- What people and models wrote, in whichever convention: read from the raw spans when asked, stored nowhere else.
CREATE VIEW IF NOT EXISTS span_contents AS
SELECT
    Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, SpanName AS Name,
    multiIf(SpanAttributes['gen_ai.input.messages'] != '', SpanAttributes['gen_ai.input.messages'], SpanAttributes['sightline.input'] != '', SpanAttributes['sightline.input'], SpanAttributes['input.value'] != '', SpanAttributes['input.value'], SpanAttributes['gen_ai.prompt'] != '', SpanAttributes['gen_ai.prompt'], SpanAttributes['traceloop.entity.input'] != '', SpanAttributes['traceloop.entity.input'], SpanAttributes['langfuse.observation.input'] != '', SpanAttributes['langfuse.observation.input'], SpanAttributes['ai.prompt.messages'] != '', SpanAttributes['ai.prompt.messages'], SpanAttributes['ai.prompt'] != '', SpanAttributes['ai.prompt'], SpanAttributes['mlflow.spanInputs'] != '', SpanAttributes['mlflow.spanInputs'], SpanAttributes['gen_ai.prompt.0.content'] != '', SpanAttributes['gen_ai.prompt.0.content'], '') AS Input,
    multiIf(SpanAttributes['gen_ai.output.messages'] != '', SpanAttributes['gen_ai.output.messages'], SpanAttributes['sightline.output'] != '', SpanAttributes['sightline.output'], SpanAttributes['output.value'] != '', SpanAttributes['output.value'], SpanAttributes['gen_ai.completion'] != '', SpanAttributes['gen_ai.completion'], SpanAttributes['traceloop.entity.output'] != '', SpanAttributes['traceloop.entity.output'], SpanAttributes['langfuse.observation.output'] != '', SpanAttributes['langfuse.observation.output'], SpanAttributes['ai.response.text'] != '', SpanAttributes['ai.response.text'], SpanAttributes['ai.response.object'] != '', SpanAttributes['ai.response.object'], SpanAttributes['mlflow.spanOutputs'] != '', SpanAttributes['mlflow.spanOutputs'], SpanAttributes['gen_ai.completion.0.content'] != '', SpanAttributes['gen_ai.completion.0.content'], '') AS Output,
    multiIf(SpanAttributes['gen_ai.retrieval.query.text'] != '', SpanAttributes['gen_ai.retrieval.query.text'], SpanAttributes['gen_ai.retrieval.query'] != '', SpanAttributes['gen_ai.retrieval.query'], SpanAttributes['db.query.text'] != '', SpanAttributes['db.query.text'], '') AS Query,
    multiIf(SpanAttributes['gen_ai.system_instructions'] != '', SpanAttributes['gen_ai.system_instructions'], '') AS SystemInstructions,
    SpanAttributes['gen_ai.retrieval.documents'] AS Documents
FROM otel_traces;
