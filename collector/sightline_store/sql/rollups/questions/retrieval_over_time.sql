-- The question retrieval_over_time, of rollups and of the rows that no rollup holds.
WITH
    quantilesTDigestMerge(0.1, 0.5, 0.9)(Score) AS scores,
    quantilesTDigestMerge(0.5, 0.95)(Duration) AS durations
SELECT
    intDiv(Second, {bucket_s:UInt32}) * {bucket_s:UInt32} AS bucket,
    sum(Searches) AS searches,
    sum(Errors) AS errors,
    sum(EmptyCount) AS empty,
    sum(ReturnedCount) AS counted,
    sum(ScoredCount) AS scored,
    if(scored = 0, NULL, scores[1]) AS top_score_p10,
    if(scored = 0, NULL, scores[2]) AS top_score_p50,
    if(scored = 0, NULL, scores[3]) AS top_score_p90,
    durations[2] AS p95_ms
FROM
(
    -- include: rolled_retrievals.sql
)
GROUP BY bucket
ORDER BY bucket
