-- What fails? Failed requests by type of error, with the newest trace of each.
-- First which types there are and when the newest of each began, then the ids of these: ids are long, and most are of none.
WITH
    multiIf(ErrorType != '', toString(ErrorType), HttpStatus > 0, concat('HTTP ', toString(HttpStatus)), 'unknown') AS kind,
    (
        -- include: failed.sql
        OR HttpStatus >= 500) AS is_failed,
    (
        SELECT groupArray((name, requests, tenants, newest))
        FROM
        (
            SELECT kind AS name, count() AS requests, uniqExact(Tenant) AS tenants, max(Timestamp) AS newest
            FROM requests
            WHERE
                -- include: of_requests.sql
                AND is_failed
            GROUP BY name
            ORDER BY requests DESC, name
            LIMIT {limit:UInt32}
        )
    ) AS kinds,
    indexOf(arrayZip(kinds.1, kinds.4), (kind, Timestamp)) AS place
SELECT
    kinds.1[place] AS error_type, kinds.2[place] AS requests, kinds.3[place] AS tenants,
    toUnixTimestamp64Milli(kinds.4[place]) AS last_ms, min(TraceId) AS trace_id
FROM requests
WHERE toStartOfFiveMinutes(Timestamp) IN (SELECT toStartOfFiveMinutes(arrayJoin(kinds.4)))
    AND ({tenant:String} = '' OR Tenant = {tenant:String})
    AND is_failed AND place > 0
GROUP BY place
ORDER BY requests DESC, error_type
