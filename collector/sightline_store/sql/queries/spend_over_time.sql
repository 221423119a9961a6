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
WHERE
    -- include: of_calls.sql
GROUP BY bucket, model_name
ORDER BY bucket, model_name
