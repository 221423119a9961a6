-- How many requests began in each bucket, how many failed, and how many took longer than slower_than_ms? Empty buckets are absent.
SELECT
    -- include: alert_bucket.sql
    AS bucket,
    count() AS requests,
    countIf(
        -- include: failed.sql
        OR HttpStatus >= 500) AS errors,
    countIf(TtftMs IS NOT NULL) AS timed,
    countIf(TtftMs > {slower_than_ms:Float64}) AS slow_first_tokens,
    countIf(DurationMs > {slower_than_ms:Float64}) AS slow_requests
FROM requests
WHERE
    -- include: of_requests.sql
    AND ({service:String} = '' OR ServiceName = {service:String})
GROUP BY bucket
ORDER BY bucket
