-- What did the model calls of some sessions spend in the window? cost_usd is NULL where any of a session's calls has no price.
SELECT
    SessionId AS session_id, toString(Tenant) AS tenant_name,
    count() AS llm_calls,
    sumOrNull(InputTokens) AS input_tokens, sumOrNull(OutputTokens) AS output_tokens,
    if(countIf(CostUsd IS NULL) > 0, NULL, sumOrNull(CostUsd)) AS cost_usd
FROM llm_calls_priced
WHERE SessionId IN ({sessions:Array(String)}) AND
    -- include: of_calls.sql
GROUP BY session_id, tenant_name
