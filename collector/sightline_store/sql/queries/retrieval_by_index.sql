-- Which collection, index version and embedding served the searches, and how did each do?
WITH quantilesExact(0.5, 0.95)(DurationMs) AS durations
SELECT
    toString(System) AS system,
    toString(Collection) AS collection,
    toString(Operation) AS operation,
    toString(IndexVersion) AS index_version,
    toString(Embedding) AS embedding,
    toString(EmbeddingVersion) AS embedding_version,
    count() AS searches,
    countIf(
        -- include: failed.sql
    ) AS errors,
    countIf(NOT
        -- include: failed.sql
        AND Returned = 0) AS empty,
    quantileExactOrNull(0.5)(TopScore) AS top_score_p50,
    durations[1] AS p50_ms,
    durations[2] AS p95_ms,
    toUnixTimestamp64Milli(min(Timestamp)) AS first_ms,
    toUnixTimestamp64Milli(max(Timestamp)) AS last_ms
FROM retrievals
WHERE
    -- include: of_stages.sql
GROUP BY system, collection, operation, index_version, embedding, embedding_version
ORDER BY searches DESC
LIMIT {limit:UInt32}
