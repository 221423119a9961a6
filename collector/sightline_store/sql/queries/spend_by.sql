-- Which model, tenant, user or session (by) spent how many tokens and how much money? The dearest first. reported_calls: no price
-- is known, cost_usd has what the library or the gateway reported; local_calls: computed on machines of one's own;
-- differing_calls: the cost that was reported is not the one computed, with the sums of both.
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
    minIf(toString(Price), CostUsd IS NULL) AS unpriced_example,
    minIf(CostUnknown, CostUsd IS NULL) AS unknown_because,
    groupUniqArray(4)(PricedAs) AS priced_as,
    countIf(CostBasis = 'reported') AS reported_calls,
    countIf(CostBasis = 'local') AS local_calls,
    countIf(CostDiffers) AS differing_calls,
    sumIf(ToldCostUsd, CostDiffers) AS differing_reported_usd,
    sumIf(CostUsd, CostDiffers) AS differing_computed_usd
FROM llm_calls_priced
WHERE
    -- include: of_calls.sql
GROUP BY name
ORDER BY ifNull(cost_usd, 0) DESC, calls DESC, name
LIMIT {limit:UInt32}
