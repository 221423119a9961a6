-- How many calls of each model or tenant (by) report a cost that is not the one computed, with the sums of both? The part of
-- spend_by that reads calls with a reported cost alone.
SELECT
    toString(if({by:String} = 'tenant', Tenant, if(ResponseModel != '', ResponseModel, RequestModel))) AS name,
    countIf(CostDiffers) AS differing_calls,
    sumIf(ToldCostUsd, CostDiffers) AS differing_reported_usd,
    sumIf(CostUsd, CostDiffers) AS differing_computed_usd
FROM llm_calls_priced
WHERE ToldCostUsd IS NOT NULL AND
    -- include: of_calls.sql
GROUP BY name
