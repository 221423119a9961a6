-- What was searched in two windows, and with which versions? One row a window, collection, operation, embedding, index and tenant, at most 1,000 a window.
-- unlike: searches whose query was embedded by another model or version than the index says.
SELECT
    is_current, collection, operation, embedding, embedding_version, index_version, sketch_version, tenant,
    count() AS searches,
    countIf(embedded != '' AND embedding != '' AND embedded != concat(embedding, ' ', embedding_version)) AS unlike,
    anyIf(embedded, embedded != '' AND embedding != '' AND embedded != concat(embedding, ' ', embedding_version)) AS unlike_embedding,
    toUnixTimestamp64Milli(min(Timestamp)) AS first_ms,
    toUnixTimestamp64Milli(max(Timestamp)) AS last_ms
FROM
(
    SELECT
        s.Timestamp AS Timestamp,
        s.Timestamp >= {current_from:DateTime64(3, 'UTC')} AS is_current,
        -- include: drift_collection.sql
        AS collection,
        toString(s.Operation) AS operation, toString(s.Embedding) AS embedding, toString(s.EmbeddingVersion) AS embedding_version,
        toString(s.IndexVersion) AS index_version, toString(s.QuerySketchVersion) AS sketch_version, toString(s.Tenant) AS tenant,
        e.embedded AS embedded
    FROM retrievals AS s
    LEFT ANY JOIN
    (
        SELECT TraceHash, concat(toString(Embedding), ' ', toString(EmbeddingVersion)) AS embedded
        FROM embeddings
        WHERE TraceHash % {stride:UInt64} = 0 AND Embedding != '' AND
            -- include: drift_windows.sql
    ) AS e ON e.TraceHash = s.TraceHash
    WHERE s.TraceHash % {stride:UInt64} = 0 AND s.Timestamp >= {reference_from:DateTime64(3, 'UTC')} AND s.Timestamp < {current_to:DateTime64(3, 'UTC')}
        AND (s.Timestamp < {reference_to:DateTime64(3, 'UTC')} OR s.Timestamp >= {current_from:DateTime64(3, 'UTC')})
)
GROUP BY is_current, collection, operation, embedding, embedding_version, index_version, sketch_version, tenant
ORDER BY searches DESC, collection, operation, embedding, embedding_version, index_version, tenant
LIMIT 1000 BY is_current
