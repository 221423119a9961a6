-- What did the newest run of `sightline-app tune` measure? One row an index or a layout of tenants: recall, times in ms, what it cost.
SELECT
    toString(RunId) AS run_id,
    toUnixTimestamp64Milli(Timestamp) AS at_ms,
    Name = 'tune.layout' AS is_layout,
    Value AS recall,
    toString(Label) AS state,
    JSONExtractString(Explanation, 'name') AS name,
    JSONExtractString(Explanation, 'store') AS store,
    JSONExtract(Explanation, 'at', 'Nullable(UInt32)') AS recall_at,
    JSONExtract(Explanation, 'target', 'Nullable(Float64)') AS target,
    JSONExtract(Explanation, 'recall_low', 'Nullable(Float64)') AS recall_low,
    JSONExtract(Explanation, 'recall_high', 'Nullable(Float64)') AS recall_high,
    JSONExtract(Explanation, 'p50_ms', 'Nullable(Float64)') AS p50_ms,
    JSONExtract(Explanation, 'p95_ms', 'Nullable(Float64)') AS p95_ms,
    JSONExtract(Explanation, 'p95_least_ms', 'Nullable(Float64)') AS p95_least_ms,
    JSONExtract(Explanation, 'p95_most_ms', 'Nullable(Float64)') AS p95_most_ms,
    JSONExtract(Explanation, 'memory_bytes', 'Nullable(UInt64)') AS memory_bytes,
    JSONExtract(Explanation, 'build_s', 'Nullable(Float64)') AS build_s,
    JSONExtract(Explanation, 'lag_s', 'Nullable(Float64)') AS lag_s,
    JSONExtract(Explanation, 'passages', 'Nullable(UInt64)') AS passages,
    JSONExtract(Explanation, 'questions', 'Nullable(UInt64)') AS questions,
    JSONExtract(Explanation, 'tenants', 'Nullable(UInt64)') AS tenants,
    JSONExtractString(Explanation, 'embedding') AS embedding,
    JSONExtract(Explanation, 'settings', 'Map(String, String)') AS settings
FROM scores
WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
    AND Name IN ('tune.variant', 'tune.layout')
    AND RunId = (
        SELECT argMax(RunId, Timestamp) FROM scores
        WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')} AND Name = 'tune.variant')
ORDER BY is_layout, state != 'chosen', recall < target, p95_ms, name
LIMIT {limit:UInt32}
