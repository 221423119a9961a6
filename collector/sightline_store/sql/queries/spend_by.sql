-- Which model, tenant, user or session (by) spent how many tokens and how much money? The dearest first.
SELECT
    multiIf(
        {by:String} = 'tenant', toString(Tenant), {by:String} = 'user', UserId, {by:String} = 'session', SessionId,
        toString(if(ResponseModel != '', ResponseModel, RequestModel))) AS name,
    count() AS calls,
    countIf(CostUsd IS NULL) AS unpriced_calls,
    countIf(InputTokens IS NULL OR OutputTokens IS NULL) AS uncounted_calls,
    uniqExact(TraceHash) AS requests,
    sumOrNull(InputTokens) AS input_tokens,
    sumOrNull(CacheReadTokens) AS cache_read_tokens,
    sumOrNull(OutputTokens) AS output_tokens,
    sumOrNull(ReasoningTokens) AS reasoning_tokens,
    sumOrNull(CostUsd) AS cost_usd,
    anyIf(Price, CostUsd IS NULL) AS unpriced_example,
    anyIf(CostUnknown, CostUsd IS NULL) AS unknown_because,
    groupUniqArray(4)(PricedAs) AS priced_as
FROM llm_calls_priced
WHERE
    -- include: of_calls.sql
GROUP BY name
ORDER BY ifNull(cost_usd, 0) DESC, calls DESC
LIMIT {limit:UInt32}
