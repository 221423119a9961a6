-- The question spend_over_time, of rollups and of the rows that no rollup holds.
SELECT
    intDiv(Second, {bucket_s:UInt32}) * {bucket_s:UInt32} AS bucket,
    Model AS model_name,
    sum(Calls) AS calls,
    -- include: rolled_spending.sql
FROM
(
    -- include: rolled_calls.sql
)
GROUP BY bucket, model_name
ORDER BY bucket, model_name
