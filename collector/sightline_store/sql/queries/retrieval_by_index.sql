-- Which collection, index version and embedding served the searches, and how did each do?
WITH quantilesExact(0.5, 0.95)(DurationMs) AS durations
SELECT
    toString(System) AS system,
    toString(Collection) AS collection,
    toString(Operation) AS operation,
    toString(IndexVersion) AS index_version,
    toString(Embedding) AS embedding,
    toString(EmbeddingVersion) AS embedding_version,
    count() AS searches,
    countIf(StatusCode = 'Error') AS errors,
    countIf(StatusCode != 'Error' AND Returned = 0) AS empty,
    quantileExactOrNull(0.5)(TopScore) AS top_score_p50,
    durations[1] AS p50_ms,
    durations[2] AS p95_ms,
    toUnixTimestamp64Milli(min(Timestamp)) AS first_ms,
    toUnixTimestamp64Milli(max(Timestamp)) AS last_ms
FROM retrievals
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
GROUP BY system, collection, operation, index_version, embedding, embedding_version
ORDER BY searches DESC
LIMIT {limit:UInt32}
