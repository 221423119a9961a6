-- The question retrieval_by_index, of rollups and of the rows that no rollup holds.
WITH quantilesTDigestMerge(0.5, 0.95)(Duration) AS durations
SELECT
    toString(System) AS system,
    toString(Collection) AS collection,
    toString(Operation) AS operation,
    toString(IndexVersion) AS index_version,
    toString(Embedding) AS embedding,
    toString(EmbeddingVersion) AS embedding_version,
    sum(Searches) AS searches,
    sum(Errors) AS errors,
    sum(EmptyCount) AS empty,
    if(sum(ScoredCount) = 0, NULL, quantilesTDigestMerge(0.1, 0.5, 0.9)(Score)[2]) AS top_score_p50,
    durations[1] AS p50_ms,
    durations[2] AS p95_ms,
    min(FirstMs) AS first_ms,
    max(LastMs) AS last_ms
FROM
(
    -- include: rolled_retrievals.sql
)
GROUP BY system, collection, operation, index_version, embedding, embedding_version
ORDER BY searches DESC
LIMIT {limit:UInt32}
