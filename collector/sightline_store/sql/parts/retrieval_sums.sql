-- What rollups keep of searches, and what questions that read rollups make of the rows beside them.
count() AS Searches,
countIf(
    -- include: failed.sql
) AS Errors,
countIf(NOT
    -- include: failed.sql
    AND Returned = 0) AS EmptyCount,
countIf(NOT
    -- include: failed.sql
    AND Returned IS NOT NULL) AS ReturnedCount,
count(TopScore) AS ScoredCount,
toUnixTimestamp64Milli(min(Timestamp)) AS FirstMs,
toUnixTimestamp64Milli(max(Timestamp)) AS LastMs,
quantilesTDigestStateIf(0.1, 0.5, 0.9)(ifNull(TopScore, 0.), isNotNull(TopScore)) AS Score,
quantilesTDigestState(0.5, 0.95)(DurationMs) AS Duration
