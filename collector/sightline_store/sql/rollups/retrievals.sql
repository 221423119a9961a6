-- Minutes of searches, all and by tenant, by what served them.
INSERT INTO rollup_retrievals
SELECT
    toUInt32(60) AS Period, minute AS Start, {version:UInt64} AS Version,
    if(grouping(Tenant) = 0, 'tenant', 'all') AS By, Tenant, System, Collection, Operation, IndexVersion, Embedding, EmbeddingVersion,
    -- include: retrieval_sums.sql
FROM
(
    SELECT *, toDateTime(intDiv(toUnixTimestamp(Timestamp), 60) * 60, 'UTC') AS minute
    FROM retrievals
    WHERE
        -- include: rows_of_minutes.sql
)
GROUP BY GROUPING SETS (
    (minute, System, Collection, Operation, IndexVersion, Embedding, EmbeddingVersion),
    (minute, Tenant, System, Collection, Operation, IndexVersion, Embedding, EmbeddingVersion))
LIMIT {limit:UInt32} BY minute, By
