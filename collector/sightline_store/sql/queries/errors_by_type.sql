-- What fails? Failed requests by type of error, with the newest trace of each.
SELECT
    multiIf(ErrorType != '', toString(ErrorType), HttpStatus > 0, concat('HTTP ', toString(HttpStatus)), 'unknown') AS error_type,
    count() AS requests,
    uniqExact(Tenant) AS tenants,
    toUnixTimestamp64Milli(max(Timestamp)) AS last_ms,
    argMax(TraceId, Timestamp) AS trace_id
FROM requests
WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
    AND (StatusCode = 'Error' OR HttpStatus >= 500)
    AND ({tenant:String} = '' OR Tenant = {tenant:String})
    AND ({route:String} = '' OR Route = {route:String})
    AND ({model:String} = '' OR TraceHash IN (
        SELECT TraceHash FROM llm_calls
        WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')} + INTERVAL 1 HOUR
            AND {model:String} != '' AND (ResponseModel = {model:String} OR (ResponseModel = '' AND RequestModel = {model:String}))))
GROUP BY error_type
ORDER BY requests DESC
LIMIT {limit:UInt32}
