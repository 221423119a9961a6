-- What rollups keep of embedding calls, and what questions that read rollups make of the rows beside them.
count() AS Calls,
count(InputTokens) AS InputCount,
count(ToldCostUsd) AS ToldCount,
sum(ifNull(InputTokens, 0)) AS InputSum,
sum(DurationMs) AS DurationSum,
sum(ifNull(ToldCostUsd, 0.)) AS ToldSum
