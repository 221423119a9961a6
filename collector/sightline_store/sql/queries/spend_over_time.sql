-- How many tokens and how much money went to each model, a bucket? cost_usd is NULL where no call had a known price.
SELECT
    intDiv(toUnixTimestamp(Timestamp), {bucket_s:UInt32}) * {bucket_s:UInt32} AS bucket,
    if(ResponseModel != '', ResponseModel, RequestModel) AS model_name,
    count() AS calls,
    countIf(CostUsd IS NULL) AS unpriced_calls,
    sumOrNull(InputTokens) AS input_tokens,
    sumOrNull(OutputTokens) AS output_tokens,
    sumOrNull(CostUsd) AS cost_usd
FROM llm_calls_priced
WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
    AND ({tenant:String} = '' OR Tenant = {tenant:String})
    AND ({model:String} = '' OR ResponseModel = {model:String} OR (ResponseModel = '' AND RequestModel = {model:String}))
    AND ({route:String} = '' OR TraceHash IN (
        SELECT TraceHash FROM requests
        WHERE Timestamp >= {from:DateTime64(3, 'UTC')} - INTERVAL 1 HOUR AND Timestamp < {to:DateTime64(3, 'UTC')}
            AND {route:String} != '' AND Route = {route:String}))
GROUP BY bucket, model_name
ORDER BY bucket, model_name
