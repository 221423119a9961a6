-- Written by `python -m sightline_store.conventions.canonical` from the alias table (aliases.py): edit that.
CREATE MATERIALIZED VIEW calls_canonical_to_embeddings TO embeddings AS
SELECT
    Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, Tenant, UserId, SessionId, Convention,
    Provider, RequestModel,
    column_values[15] AS ResponseModel,
    column_values[17] AS PricedAs,
    column_values[45] AS Embedding,
    column_values[46] AS EmbeddingVersion,
    toUInt32OrNull(column_values[53]) AS Dimensions,
    if(mapContains(column_values, 54), toUInt32(length(arrayDistinct(arrayMap(key -> splitByChar('.', toString(key))[3],
        arrayFilter(key -> startsWith(key, 'embedding.embeddings.'), mapKeys(indexed_attributes)))))), NULL) AS Texts,
    counts[22] AS InputTokens,
    ToldCostUsd, DurationMs, StatusCode, ErrorType, ScopeName, StoredAt
FROM calls_canonical
WHERE Kind = 'embed' AND NOT is_duplicate;
