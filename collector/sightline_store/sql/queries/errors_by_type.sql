-- What fails? Failed requests by type of error, with the newest trace of each.
SELECT
    multiIf(ErrorType != '', toString(ErrorType), HttpStatus > 0, concat('HTTP ', toString(HttpStatus)), 'unknown') AS error_type,
    count() AS requests,
    uniqExact(Tenant) AS tenants,
    toUnixTimestamp64Milli(max(Timestamp)) AS last_ms,
    argMax(TraceId, Timestamp) AS trace_id
FROM requests
WHERE
    -- include: of_requests.sql
    AND (
        -- include: failed.sql
        OR HttpStatus >= 500)
GROUP BY error_type
ORDER BY requests DESC
LIMIT {limit:UInt32}
