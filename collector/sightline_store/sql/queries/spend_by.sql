-- Which model or tenant (by) spent how many tokens and how much money? The dearest first. reported_calls: no price
-- is known, cost_usd has what the library or the gateway reported; local_calls: computed on machines of one's own;
-- differing_calls: the cost that was reported is not the one computed, with the sums of both.
SELECT
    toString(if({by:String} = 'tenant', Tenant, if(ResponseModel != '', ResponseModel, RequestModel))) AS name,
    -- include: spend_columns.sql
FROM llm_calls_priced
WHERE
    -- include: of_calls.sql
GROUP BY name
ORDER BY ifNull(cost_usd, 0) DESC, calls DESC, name
LIMIT {limit:UInt32}
