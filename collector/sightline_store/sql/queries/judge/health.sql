-- What did the runs of `sightline-evals health` find? One row a figure and run, the newest first.
-- figure: control_shift, kappa, auroc or ppi_rate. value is NULL where state says why there is none; low and high are its 95% interval.
-- n is the number of cases or labels; metric is the score whose judge was looked at.
SELECT
    toUnixTimestamp64Milli(Timestamp) AS at_ms,
    toString(RunId) AS run_id,
    substring(toString(Name), 7) AS figure,
    toString(Judge) AS judge,
    toString(JudgeVersion) AS judge_version,
    toString(Label) AS state,
    Value AS value,
    JSONExtract(Explanation, 'low', 'Nullable(Float64)') AS low,
    JSONExtract(Explanation, 'high', 'Nullable(Float64)') AS high,
    JSONExtractInt(Explanation, 'n') AS n,
    JSONExtractString(Explanation, 'metric') AS metric,
    JSONExtractString(Explanation, 'sentence') AS sentence
FROM scores
WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
    AND Name IN ('judge.control_shift', 'judge.kappa', 'judge.auroc', 'judge.ppi_rate')
ORDER BY Timestamp DESC, figure
LIMIT {limit:UInt32}
