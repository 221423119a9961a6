-- What the calls of a window spent, by the names that questions/spending.py puts in: of whole hours as it is kept, of the rest as rows.
SELECT
    -- condition: name
    Calls, UnpricedCalls, UncountedCalls, ReportedCalls, LocalCalls, DifferingCalls, Traces, SharedTraces, InputSum, CacheReadSum,
    OutputSum, ReasoningSum, CostSum, DifferingToldSum, DifferingCostSum, UnpricedExample, UnknownBecause, PriceNames
FROM rollup_spending
WHERE
    -- include: spent_of_hours.sql
    -- condition: names
UNION ALL
SELECT
    -- condition: name
    -- include: spending_sums.sql
FROM
(
    SELECT
        *, if(ResponseModel != '', ResponseModel, RequestModel) AS Model,
        Timestamp >= {rolled_from:DateTime64(3, 'UTC')} - INTERVAL 1 HOUR AND Timestamp < {rolled_to:DateTime64(3, 'UTC')} + INTERVAL 1 HOUR AS is_shared
    FROM llm_calls_priced
)
WHERE
    -- include: calls_beside_rollups.sql
    -- condition: names
GROUP BY name
