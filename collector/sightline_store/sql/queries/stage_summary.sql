-- How long does each stage take and how often does it fail or flag? One row a stage.
WITH quantilesExact(0.5, 0.95, 0.99)(DurationMs) AS quantiles
SELECT
    toString(Stage) AS stage,
    count() AS spans,
    countIf(StatusCode = 'Error') AS errors,
    countIf(Flagged) AS flagged,
    quantiles[1] AS p50_ms,
    quantiles[2] AS p95_ms,
    quantiles[3] AS p99_ms,
    argMax(TraceId, DurationMs) AS slowest_trace_id
FROM stages
WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
    AND ({tenant:String} = '' OR Tenant = {tenant:String})
    AND ({route:String} = '' OR TraceHash IN (
        SELECT TraceHash FROM requests
        WHERE Timestamp >= {from:DateTime64(3, 'UTC')} - INTERVAL 1 HOUR AND Timestamp < {to:DateTime64(3, 'UTC')}
            AND {route:String} != '' AND Route = {route:String}))
    AND ({model:String} = '' OR TraceHash IN (
        SELECT TraceHash FROM llm_calls
        WHERE Timestamp >= {from:DateTime64(3, 'UTC')} - INTERVAL 1 HOUR AND Timestamp < {to:DateTime64(3, 'UTC')} + INTERVAL 1 HOUR
            AND {model:String} != '' AND (ResponseModel = {model:String} OR (ResponseModel = '' AND RequestModel = {model:String}))))
GROUP BY Stage
ORDER BY p95_ms DESC
