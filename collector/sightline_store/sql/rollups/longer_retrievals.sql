-- Hours out of minutes, or days out of hours.
INSERT INTO rollup_retrievals
SELECT
    {period:UInt32}, begin, {version:UInt64}, By, Tenant, System, Collection, Operation, IndexVersion, Embedding, EmbeddingVersion, sum(Searches), sum(Errors),
    sum(EmptyCount), sum(ReturnedCount), sum(ScoredCount), min(FirstMs), max(LastMs),
    quantilesTDigestMergeState(0.1, 0.5, 0.9)(Score), quantilesTDigestMergeState(0.5, 0.95)(Duration), Route, Model
FROM
-- include: shorter_periods.sql
GROUP BY begin, By, Tenant, Route, Model, System, Collection, Operation, IndexVersion, Embedding, EmbeddingVersion
LIMIT {limit:UInt32} BY begin, By
