-- How did the runs of `sightline-evals drift` end? One row a run, the newest first: its verdict, and how many comparisons it is of.
SELECT
    toString(RunId) AS run_id,
    toUnixTimestamp64Milli(max(Timestamp)) AS at_ms,
    toString(anyIf(Label, Name = 'drift.verdict')) AS outcome,
    anyIf(Explanation, Name = 'drift.verdict') AS verdict,
    JSONExtractString(verdict, 'sentence') AS sentence,
    JSONExtractInt(verdict, 'from_ms') AS from_ms,
    JSONExtractInt(verdict, 'to_ms') AS to_ms,
    JSONExtractInt(verdict, 'reference_from_ms') AS reference_from_ms,
    JSONExtractInt(verdict, 'reference_to_ms') AS reference_to_ms,
    countIf(Name != 'drift.verdict') AS comparisons,
    countIf(Name != 'drift.verdict' AND Label = 'drift') AS drifting,
    countIf(Name != 'drift.verdict' AND Label = 'suspected') AS suspected,
    countIf(Name != 'drift.verdict' AND Label = 'too_little_data') AS untested
FROM scores
WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
    AND startsWith(Name, 'drift.') AND Name NOT IN ('drift.canary', 'drift.pin')
GROUP BY RunId
HAVING countIf(Name = 'drift.verdict') > 0
ORDER BY at_ms DESC, run_id
LIMIT {limit:UInt32}
