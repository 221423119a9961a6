-- How good were the best passages of searches, and how often did a search return nothing, a bucket? Failed searches are counted separately.
WITH quantilesExact(0.1, 0.5, 0.9)(TopScore) AS scores
SELECT
    intDiv(toUnixTimestamp(Timestamp), {bucket_s:UInt32}) * {bucket_s:UInt32} AS bucket,
    count() AS searches,
    countIf(
        -- include: failed.sql
    ) AS errors,
    countIf(NOT
        -- include: failed.sql
        AND Returned = 0) AS empty,
    countIf(NOT
        -- include: failed.sql
        AND Returned IS NOT NULL) AS counted,
    count(TopScore) AS scored,
    if(scored = 0, NULL, scores[1]) AS top_score_p10,
    if(scored = 0, NULL, scores[2]) AS top_score_p50,
    if(scored = 0, NULL, scores[3]) AS top_score_p90,
    quantileExactOrNull(0.95)(DurationMs) AS p95_ms
FROM retrievals
WHERE
    -- include: of_stages.sql
GROUP BY bucket
ORDER BY bucket
