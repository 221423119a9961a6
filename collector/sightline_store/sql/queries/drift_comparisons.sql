-- What did one run of `sightline-evals drift` compare? One row a comparison: alarms first, then suspicions, then by p.
SELECT
    -- include: drift_result_columns.sql
FROM scores
WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
    AND startsWith(Name, 'drift.') AND Name NOT IN ('drift.canary', 'drift.pin', 'drift.verdict')
    AND RunId = {run_id:String}
ORDER BY state != 'drift', state != 'suspected', p IS NULL, p, signal, key
LIMIT {limit:UInt32}
