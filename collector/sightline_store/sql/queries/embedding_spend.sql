-- How many tokens and how much money went to embedding models? The dearest first; cost_usd is NULL where no call had a known price.
SELECT
    toString(if(ResponseModel != '', ResponseModel, RequestModel)) AS name,
    toString(any(Price)) AS price_key,
    count() AS calls,
    countIf(CostUsd IS NULL) AS unpriced_calls,
    countIf(InputTokens IS NULL) AS uncounted_calls,
    sumOrNull(InputTokens) AS input_tokens,
    sumOrNull(CostUsd) AS cost_usd,
    anyIf(CostUnknown, CostUsd IS NULL) AS unknown_because
FROM embeddings_priced
WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
    AND ({tenant:String} = '' OR Tenant = {tenant:String})
    AND ({model:String} = '' OR ResponseModel = {model:String} OR (ResponseModel = '' AND RequestModel = {model:String}))
    AND ({route:String} = '' OR TraceHash IN (
        SELECT TraceHash FROM requests
        WHERE Timestamp >= {from:DateTime64(3, 'UTC')} - INTERVAL 1 HOUR AND Timestamp < {to:DateTime64(3, 'UTC')}
            AND {route:String} != '' AND Route = {route:String}))
GROUP BY name
ORDER BY ifNull(cost_usd, 0) DESC, calls DESC, name
