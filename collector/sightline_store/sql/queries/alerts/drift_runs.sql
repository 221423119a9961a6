-- How many alarms did the runs of `sightline-evals drift` raise in each bucket, at most in one run? Empty buckets are absent.
SELECT
    -- include: alert_bucket.sql
    AS bucket,
    count() AS runs,
    max(Value) AS alarms
FROM scores
WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')} AND Name = 'drift.verdict'
GROUP BY bucket
ORDER BY bucket
