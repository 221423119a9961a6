-- The question spend_over_time, of rollups and of the rows that no rollup holds.
SELECT
    intDiv(Second, {bucket_s:UInt32}) * {bucket_s:UInt32} AS bucket,
    Model AS model_name,
    sum(Calls) AS calls,
    sum(Calls) - sum(priced) AS unpriced_calls,
    if(sum(InputCount) = 0, NULL, sum(InputSum)) AS input_tokens,
    if(sum(OutputCount) = 0, NULL, sum(OutputSum)) AS output_tokens,
    if(sum(priced) = 0, NULL, sum(cost)) AS cost_usd
FROM
(
    -- include: rolled_calls.sql
)
GROUP BY bucket, model_name
ORDER BY bucket, model_name
