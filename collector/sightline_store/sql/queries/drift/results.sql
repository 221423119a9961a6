-- What did the runs of `sightline-evals drift` find? One row a comparison and run, the newest first.
-- state: quiet, suspected, drift, or too_little_data. effect is in the unit of the signal; p is NULL where nothing was tested.
SELECT
    toUnixTimestamp64Milli(Timestamp) AS at_ms,
    toString(RunId) AS run_id,
    substring(toString(Name), 7) AS signal,
    toString(Label) AS state,
    Value AS effect,
    JSONExtract(Explanation, 'low', 'Nullable(Float64)') AS low,
    JSONExtract(Explanation, 'high', 'Nullable(Float64)') AS high,
    JSONExtract(Explanation, 'p', 'Nullable(Float64)') AS p,
    JSONExtractString(Explanation, 'key') AS key,
    JSONExtractInt(Explanation, 'reference_n') AS reference_n,
    JSONExtractInt(Explanation, 'current_n') AS current_n,
    JSONExtractString(Explanation, 'sentence') AS sentence,
    JSONExtractInt(Explanation, 'from_ms') AS from_ms,
    JSONExtractInt(Explanation, 'to_ms') AS to_ms
FROM scores
WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
    AND startsWith(Name, 'drift.') AND Name NOT IN ('drift.canary', 'drift.pin')
ORDER BY Timestamp DESC, signal, key
LIMIT {limit:UInt32}
