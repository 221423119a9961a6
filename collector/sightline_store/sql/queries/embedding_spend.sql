-- How many tokens and how much money went to embedding models, a bucket? The dearest first; cost_usd is NULL where no call had a known price.
-- bucket_s = 0 answers for the whole window.
SELECT
    if({bucket_s:UInt32} = 0, 0, intDiv(toUnixTimestamp(Timestamp), greatest({bucket_s:UInt32}, 1)) * {bucket_s:UInt32}) AS bucket,
    toString(if(ResponseModel != '', ResponseModel, RequestModel)) AS name,
    toString(any(Price)) AS price_key,
    count() AS calls,
    countIf(CostUsd IS NULL) AS unpriced_calls,
    countIf(InputTokens IS NULL) AS uncounted_calls,
    sumOrNull(InputTokens) AS input_tokens,
    sumOrNull(CostUsd) AS cost_usd,
    anyIf(CostUnknown, CostUsd IS NULL) AS unknown_because,
    countIf(CostBasis = 'reported') AS reported_calls,
    countIf(CostBasis = 'local') AS local_calls,
    countIf(CostDiffers) AS differing_calls,
    sumIf(ToldCostUsd, CostDiffers) AS differing_reported_usd,
    sumIf(CostUsd, CostDiffers) AS differing_computed_usd
FROM embeddings_priced
WHERE
    -- include: of_calls.sql
GROUP BY bucket, name
ORDER BY bucket, ifNull(cost_usd, 0) DESC, calls DESC, name
