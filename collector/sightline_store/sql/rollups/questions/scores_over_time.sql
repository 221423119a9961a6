-- The question scores_over_time, of rollups and of the rows that no rollup holds.
SELECT
    if({bucket_s:UInt32} = 0, 0, intDiv(Second, greatest({bucket_s:UInt32}, 1)) * {bucket_s:UInt32}) AS bucket,
    toString(Name) AS name,
    sum(Valued) AS n,
    sum(Failed) AS failed,
    if(n = 0, NULL, sum(ValueSum) / n) AS mean,
    if(n > 1, stddevSampStableMerge(Spread), NULL) AS sd,
    sum(PartCount) = 0 AS is_binary,
    groupUniqArrayArray(4)(Judges) AS judges,
    groupUniqArrayArray(4)(Notes) AS notes
FROM
(
    -- include: rolled_scores.sql
)
GROUP BY bucket, name
ORDER BY bucket, name
