-- The question session_totals, of what is kept of hours that are over and of the calls of the rest.
SELECT
    session_id, tenant_name,
    sum(Calls) AS llm_calls,
    sumOrNull(InputSum) AS input_tokens, sumOrNull(OutputSum) AS output_tokens,
    if(sum(UnpricedCalls) > 0, NULL, sumOrNull(CostSum)) AS cost_usd
FROM
(
    SELECT SessionId AS session_id, toString(Tenant) AS tenant_name, Calls, UnpricedCalls, InputSum, OutputSum, CostSum
    FROM rollup_spending
    WHERE SessionId IN ({sessions:Array(String)}) AND
        -- include: spent_of_hours.sql
    UNION ALL
    SELECT
        SessionId AS session_id, toString(Tenant) AS tenant_name,
        count() AS Calls, countIf(CostUsd IS NULL) AS UnpricedCalls,
        sumOrNull(InputTokens) AS InputSum, sumOrNull(OutputTokens) AS OutputSum, sumOrNull(CostUsd) AS CostSum
    FROM llm_calls_priced
    WHERE SessionId IN ({sessions:Array(String)}) AND
        -- include: calls_beside_rollups.sql
    GROUP BY session_id, tenant_name
)
GROUP BY session_id, tenant_name
