-- The question session_totals, of what is kept of hours that are over and of the calls of the rest.
SELECT
    name.1 AS session_id, name.2 AS tenant_name,
    sum(Calls) AS llm_calls,
    sumOrNull(InputSum) AS input_tokens, sumOrNull(OutputSum) AS output_tokens,
    if(sum(UnpricedCalls) > 0, NULL, sumOrNull(CostSum)) AS cost_usd
FROM
(
    -- condition: every
)
GROUP BY name
