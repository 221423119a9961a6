-- What was searched in two windows, and with which versions? One row a window, collection, operation, embedding, index and tenant, at most 1,000 a window.
-- unlike: searches whose index names a model and version by which nothing in their trace was embedded, though something was.
SELECT
    is_current, collection, operation, embedding, embedding_version, index_version, sketch_version, tenant,
    count() AS searches,
    countIf(is_unlike) AS unlike,
    anyIf(embedded[1], is_unlike) AS unlike_embedding
FROM
(
    SELECT
        s.Timestamp >= {current_from:DateTime64(3, 'UTC')} AS is_current,
        -- include: drift_collection.sql
        AS collection,
        toString(s.Operation) AS operation, toString(s.Embedding) AS embedding, toString(s.EmbeddingVersion) AS embedding_version,
        toString(s.IndexVersion) AS index_version, toString(s.QuerySketchVersion) AS sketch_version, toString(s.Tenant) AS tenant,
        e.embedded AS embedded,
        notEmpty(embedded) AND embedding != '' AND NOT has(embedded, concat(embedding, ' ', embedding_version)) AS is_unlike
    FROM retrievals AS s
    LEFT ANY JOIN
    (
        SELECT TraceHash, groupUniqArray(concat(toString(Embedding), ' ', toString(EmbeddingVersion))) AS embedded
        FROM embeddings
        WHERE TraceHash % {stride:UInt64} = 0 AND Embedding != '' AND
            -- include: drift_windows.sql
        GROUP BY TraceHash
    ) AS e ON e.TraceHash = s.TraceHash
    WHERE s.TraceHash % {stride:UInt64} = 0 AND s.Timestamp >= {reference_from:DateTime64(3, 'UTC')} AND s.Timestamp < {current_to:DateTime64(3, 'UTC')}
        AND (s.Timestamp < {reference_to:DateTime64(3, 'UTC')} OR s.Timestamp >= {current_from:DateTime64(3, 'UTC')})
)
GROUP BY is_current, collection, operation, embedding, embedding_version, index_version, sketch_version, tenant
ORDER BY searches DESC, collection, operation, embedding, embedding_version, index_version, tenant
LIMIT 1000 BY is_current
