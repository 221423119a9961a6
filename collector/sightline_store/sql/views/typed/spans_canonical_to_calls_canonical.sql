-- Written by `python -m sightline_store.conventions.canonical` from the alias table (aliases.py): edit that.
CREATE MATERIALIZED VIEW spans_canonical_to_calls_canonical TO calls_canonical AS
SELECT
    Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, Tenant, UserId, SessionId, Convention, Kind,
    transform(provider, ['openai.chat', 'openai.responses', 'openai.embedding', 'openai_llm', 'anthropic.messages', 'anthropic_llm', 'az.ai.openai', 'azure_openai', 'azure-openai', 'azure.openai', 'azure_openai_llm', 'azure', 'az.ai.inference', 'aws_bedrock', 'bedrock', 'amazon-bedrock', 'amazon_bedrock', 'bedrock_converse', 'aws', 'gemini', 'google.generative-ai', 'google_genai', 'google-generative-ai', 'vertex_ai', 'vertexai', 'google.vertex.chat', 'google_vertexai', 'google-vertex', 'vertex', 'google', 'google.genai', 'mistralai', 'mistral', 'mistral.chat', 'mistralai_llm', 'xai', 'xai.chat', 'grok', 'cohere.chat', 'cohere_llm', 'groq.chat', 'groq_llm', 'ollama_llm', 'ollama.chat', 'watsonx', 'ibm_watsonx', 'ibm-watsonx-ai', 'together', 'togetherai', 'together.ai', 'deepseek.chat', 'perplexity.chat', 'perplexity_ai'], ['openai', 'openai', 'openai', 'openai', 'anthropic', 'anthropic', 'azure.ai.openai', 'azure.ai.openai', 'azure.ai.openai', 'azure.ai.openai', 'azure.ai.openai', 'azure.ai.openai', 'azure.ai.inference', 'aws.bedrock', 'aws.bedrock', 'aws.bedrock', 'aws.bedrock', 'aws.bedrock', 'aws.bedrock', 'gcp.gemini', 'gcp.gemini', 'gcp.gemini', 'gcp.gemini', 'gcp.vertex_ai', 'gcp.vertex_ai', 'gcp.vertex_ai', 'gcp.vertex_ai', 'gcp.vertex_ai', 'gcp.vertex_ai', 'gcp.gen_ai', 'gcp.gen_ai', 'mistral_ai', 'mistral_ai', 'mistral_ai', 'mistral_ai', 'x_ai', 'x_ai', 'x_ai', 'cohere', 'cohere', 'groq', 'groq', 'ollama', 'ollama', 'ibm.watsonx.ai', 'ibm.watsonx.ai', 'ibm.watsonx.ai', 'together_ai', 'together_ai', 'together_ai', 'deepseek', 'perplexity', 'perplexity'], provider) AS Provider,
    trim(BOTH '"' FROM if(mapContains(column_values, 14), column_values[14], column_values[15])) AS RequestModel,
    indexed_attributes, EventNames, EventAttributes, column_values,
    mapApply((number, text) -> (number, if(toUInt64OrNull(text) <= 100000000, toUInt64OrNull(text), NULL)), column_values) AS counts,
    if(reported_cost >= 0, reported_cost, JSONExtract(column_values[32], 'total', 'Nullable(Float64)')) AS ToldCostUsd,
    DurationMs, TtftMs, TtftDefinition, StatusCode, ErrorType
FROM
(
    SELECT
        Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, Tenant, UserId, SessionId, Convention, Kind, indexed_attributes, EventNames, EventAttributes, column_values, DurationMs, TtftMs, TtftDefinition, StatusCode, ErrorType,
        lower(column_values[13]) AS provider,
        toFloat64OrNull(column_values[31]) AS reported_cost,
        Kind = 'model' AS inner_wins,
        CAST((cityHash64(SpanId), cityHash64(ParentSpanId), cityHash64(ScopeName),
            (toUnixTimestamp64Nano(Timestamp), -DurationMs, SpanId), toUnixTimestamp64Nano(Timestamp) + toInt64(DurationMs * 1e6),
            if(Kind = 'model' AND mapContains(column_values, 22), cityHash64(column_values[22], column_values[23]), cityHash64(SpanId)),
            4 * (Kind = 'search' AND (hasAny(mapKeys(column_values), [41, 42, 43]) OR has(EventNames, 'db.query.result'))) + 2 * hasAny(mapKeys(column_values), [40, 22, 23]) + (Convention = 'sightline')),
            'Tuple(id UInt64, parent UInt64, scope UInt64, outermost Tuple(Int64, Float64, String), ended Int64, tokens UInt64, rank Int8)') AS call,
        groupArray(call) OVER (PARTITION BY TraceId, Kind ORDER BY Timestamp ROWS BETWEEN 16 PRECEDING AND 16 FOLLOWING) AS neighbours
    FROM spans_canonical
    WHERE Kind IN ('model', 'search', 'embed')
)
WHERE TraceId = '' OR length(neighbours) = 1 OR NOT arrayExists(
    -- Another span of the same call wins if it has more information, or as much and is on the side that wins.
    other -> other.id != call.id AND other.rank + multiIf(
        other.parent = call.id, inner_wins,
        other.id = call.parent, 1 - inner_wins,
        other.tokens != call.tokens OR other.scope = call.scope, -99,
        other.outermost < call.outermost, if(other.ended >= call.ended, 0, -99),
        if(other.ended <= call.ended, 1, -99)) > call.rank,
    neighbours);
