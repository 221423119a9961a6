-- How many searches began in each bucket, how many found nothing, and how many failed? Empty buckets are absent.
SELECT
    -- include: alert_bucket.sql
    AS bucket,
    count() AS searches,
    countIf(IsEmpty) AS empty_searches,
    countIf(StatusCode = 'Error') AS failed_searches
FROM retrievals
WHERE
    -- include: of_stages.sql
    AND ({service:String} = '' OR ServiceName = {service:String})
GROUP BY bucket
ORDER BY bucket
