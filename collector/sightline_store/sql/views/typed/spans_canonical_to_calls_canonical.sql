-- Written by `python -m sightline_store.conventions.canonical` from the alias table (aliases.py): edit that.
CREATE MATERIALIZED VIEW spans_canonical_to_calls_canonical TO calls_canonical AS
WITH
    arrayFilter(other -> bitAnd(bitAnd(other.id != facts.id, other.rank >= facts.rank), bitOr(
        bitOr(bitOr(other.parent = facts.id, other.id = facts.parent), bitOr(other.id = grandparent, has(children, other.parent))),
        bitAnd(
            bitOr(other.scope != facts.scope, other.service != facts.service),
            abs(other.began - facts.began) <= greatest(other.length, facts.length) + if(other.service = facts.service, 2000000, 500000000)))), neighbours) AS rivals
SELECT
    Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, ScopeName, Tenant, UserId, SessionId, Convention, Kind, StoredAt,
    transform(provider, splitByChar(',', 'openai.chat,openai.responses,openai.embedding,openai_llm,anthropic.messages,anthropic_llm,az.ai.openai,azure_openai,azure-openai,azure.openai,azure_openai_llm,azure,az.ai.inference,azure_ai,azure-ai,aws_bedrock,bedrock,amazon-bedrock,amazon_bedrock,bedrock_converse,aws,amazon.bedrock,gemini,google.generative-ai,google_genai,google-generative-ai,vertex_ai,vertexai,google.vertex.chat,google_vertexai,google-vertex,vertex,google.vertex.anthropic.messages,vertex_ai_beta,google,google.genai,mistralai,mistral,mistral.chat,mistralai_llm,xai,xai.chat,grok,cohere.chat,cohere_llm,groq.chat,groq_llm,ollama_llm,ollama.chat,watsonx,ibm_watsonx,ibm-watsonx-ai,together,togetherai,together.ai,deepseek.chat,perplexity.chat,perplexity_ai'), splitByChar(',', 'openai,openai,openai,openai,anthropic,anthropic,azure.ai.openai,azure.ai.openai,azure.ai.openai,azure.ai.openai,azure.ai.openai,azure.ai.openai,azure.ai.inference,azure.ai.inference,azure.ai.inference,aws.bedrock,aws.bedrock,aws.bedrock,aws.bedrock,aws.bedrock,aws.bedrock,aws.bedrock,gcp.gemini,gcp.gemini,gcp.gemini,gcp.gemini,gcp.vertex_ai,gcp.vertex_ai,gcp.vertex_ai,gcp.vertex_ai,gcp.vertex_ai,gcp.vertex_ai,gcp.vertex_ai,gcp.vertex_ai,gcp.gen_ai,gcp.gen_ai,mistral_ai,mistral_ai,mistral_ai,mistral_ai,x_ai,x_ai,x_ai,cohere,cohere,groq,groq,ollama,ollama,ibm.watsonx.ai,ibm.watsonx.ai,ibm.watsonx.ai,together_ai,together_ai,together_ai,deepseek,perplexity,perplexity'), provider) AS Provider, RequestModel,
    indexed_attributes, EventNames, EventAttributes, column_values,
    mapApply((number, text) -> (number, if(toUInt64OrNull(text) <= 100000000, toUInt64OrNull(text), NULL)), column_values) AS counts,
    -- Of an object without a total, the sum of its parts.
    multiIf(reported_cost >= 0, reported_cost, position(cost_json, ':') = 0, NULL, coalesce(
        JSONExtract(cost_json, 'total', 'Nullable(Float64)'), JSONExtract(cost_json, 'total_cost', 'Nullable(Float64)'),
        arraySum(JSONExtractKeysAndValues(cost_json, 'Float64').2))) AS ToldCostUsd,
    DurationMs, TtftMs, TtftDefinition, StatusCode, ErrorType, facts,
    arrayExists(
    (other, is_first) -> other.rank + (is_first != (Kind = 'model')) > facts.rank
        AND multiIf(
            Kind != 'model' AND (other.parent = facts.id OR other.id = facts.parent
                OR other.id = grandparent OR has(children, other.parent)), true,
            Kind = 'search', false,
            other.scope = facts.scope AND other.service = facts.service,
                Kind = 'model' AND facts.scope != cityHash64('sightline') AND ((other.parent = facts.id AND facts.input < 0) OR (other.id = facts.parent AND other.input < 0)),
            abs(other.began - facts.began) <= if(is_first, other.length, facts.length) + if(other.service = facts.service, 2000000, 500000000) AND if(least(other.input, facts.input) < 0, 2 * (abs(other.began - facts.began) - if(other.service = facts.service, 2000000, 500000000)) <= if(is_first, other.length, facts.length), has([0, other.cached, facts.cached], abs(other.input - facts.input)) AND (least(other.output, facts.output) < 0 OR has([0, other.reasoning, facts.reasoning], abs(other.output - facts.output)))) AND (other.asked = cityHash64('') OR facts.asked = cityHash64('') OR hasAny([other.asked, other.answered], [facts.asked, facts.answered]))),
    rivals, arrayMap(other -> (other.began, -other.length, other.id) < (facts.began, -facts.length, facts.id), rivals)) AS is_duplicate
FROM
(
    SELECT
        *,
        arrayFirst(call -> call.id = facts.parent, neighbours).parent AS grandparent,
        arrayFilter(call -> call.parent = facts.id, neighbours).id AS children
    FROM
    (
        SELECT
            Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, Tenant, StoredAt, ScopeName, UserId, SessionId, Convention, Kind, indexed_attributes, EventNames, EventAttributes, column_values, DurationMs, TtftMs, TtftDefinition, StatusCode, ErrorType, provider, reported_cost, cost_json, RequestModel, facts,
            groupArrayIf(facts, calls_of_trace > 1 AND TraceId != '') OVER (PARTITION BY TraceId, Kind ORDER BY Timestamp ROWS BETWEEN 32 PRECEDING AND 32 FOLLOWING) AS neighbours
        FROM
        (
            SELECT
                Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, Tenant, StoredAt, ScopeName, UserId, SessionId, Convention, Kind, indexed_attributes, EventNames, EventAttributes, column_values, DurationMs, TtftMs, TtftDefinition, StatusCode, ErrorType,
                count() OVER (PARTITION BY TraceId, Kind) AS calls_of_trace,
                lower(trim(BOTH '"' FROM column_values[13])) AS provider,
                toFloat64OrNull(column_values[31]) AS reported_cost,
                column_values[32] AS cost_json,
                trim(BOTH '"' FROM if(mapContains(column_values, 14), column_values[14], column_values[15])) AS RequestModel,
                toLowCardinality(if(mapContains(column_values, 15), column_values[15], RequestModel)) AS answered,
                ifNull(toInt64OrNull(column_values[22]), -1) AS input,
                ifNull(toInt64OrNull(column_values[23]), -1) AS output,
                CAST((cityHash64(SpanId), cityHash64(ParentSpanId), cityHash64(ServiceName), cityHash64(ScopeName),
            toUnixTimestamp64Nano(Timestamp), toInt64(greatest(DurationMs, ifNull(TtftMs, 0)) * 1e6), cityHash64(replaceRegexpOne(lower(toLowCardinality(RequestModel)), '^(?:.*/)?(.*?)(?:[-@:](?:20[0-9]{2}.*|[01][0-9]{3}|latest))?$', '\\1')), cityHash64(replaceRegexpOne(lower(answered), '^(?:.*/)?(.*?)(?:[-@:](?:20[0-9]{2}.*|[01][0-9]{3}|latest))?$', '\\1')), input, output, toInt64OrZero(column_values[24]) + toInt64OrZero(column_values[25]), toInt64OrZero(column_values[27]), if(Kind = 'search', 4 * (hasAny(mapKeys(column_values), [41, 42, 43]) OR has(EventNames, 'db.query.result')) + 2 * mapContains(column_values, 40), 4 * (greatest(input, output) >= 0) + 2 * (isNotNull(TtftMs) OR (Kind = 'embed' AND provider != ''))) + (Convention = 'sightline')), 'Tuple(id UInt64, parent UInt64, service UInt64, scope UInt64, began Int64, length Int64, asked UInt64, answered UInt64, input Int64, output Int64, cached Int64, reasoning Int64, rank Int8)') AS facts
            FROM spans_canonical
            WHERE Kind IN ('model', 'search', 'embed')
        )
    )
);
