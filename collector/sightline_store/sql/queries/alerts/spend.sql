-- What did the model calls of each bucket cost, how many were there, and of how many is the price unknown? Empty buckets are absent.
SELECT
    -- include: alert_bucket.sql
    AS bucket,
    count() AS calls,
    countIf(CostUsd IS NULL) AS unpriced_calls,
    sumOrNull(CostUsd) AS cost_usd,
    ifNull(sum(InputTokens), 0) + ifNull(sum(OutputTokens), 0) AS tokens
FROM llm_calls_priced
WHERE
    -- include: of_calls.sql
    AND ({service:String} = '' OR ServiceName = {service:String})
GROUP BY bucket
ORDER BY bucket
