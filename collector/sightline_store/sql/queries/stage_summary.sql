-- How long does each stage take and how often does it fail or flag? One row a stage.
-- The ids of the slowest are looked up afterwards, where they stand: reading all ids is a third of the work.
WITH
    (
        SELECT groupArray((stage, spans, errors, flagged, quantiles, slowest)) FROM
        (
            SELECT
                toString(Stage) AS stage,
                count() AS spans,
                countIf(StatusCode = 'Error') AS errors,
                countIf(Flagged) AS flagged,
                quantilesExact(0.5, 0.95, 0.99)(DurationMs) AS quantiles,
                argMax((Timestamp, TraceHash), DurationMs) AS slowest
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
        )
    ) AS told
SELECT
    one.1 AS stage,
    one.2 AS spans,
    one.3 AS errors,
    one.4 AS flagged,
    one.5[1] AS p50_ms,
    one.5[2] AS p95_ms,
    one.5[3] AS p99_ms,
    named.TraceId AS slowest_trace_id
FROM (SELECT arrayJoin(told) AS one) AS summed
LEFT ANY JOIN
(
    SELECT Timestamp, TraceHash, TraceId FROM stages WHERE Timestamp IN told.6.1 AND TraceHash IN told.6.2
) AS named ON named.TraceHash = one.6.2
ORDER BY p95_ms DESC
