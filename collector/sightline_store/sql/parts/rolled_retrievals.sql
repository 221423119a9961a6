-- The searches of the window as sums: rollups of what is over, rows of the rest.
SELECT
    toUnixTimestamp(Start) AS Second, System, Collection, Operation, IndexVersion, Embedding, EmbeddingVersion, Searches, Errors,
    EmptyCount, ReturnedCount, ScoredCount, FirstMs, LastMs, Score, Duration
FROM rollup_retrievals
WHERE
    -- include: rolled_periods.sql
    AND Route = {route:String} AND Model = {model:String}
UNION ALL
SELECT
    intDiv(toUnixTimestamp(Timestamp), 60) * 60 AS Second, System, Collection, Operation, IndexVersion, Embedding, EmbeddingVersion,
    -- include: retrieval_sums.sql
FROM retrievals
WHERE
    -- include: stages_beside_rollups.sql
GROUP BY Second, System, Collection, Operation, IndexVersion, Embedding, EmbeddingVersion
