-- How high did a gauge of the collectors (`name`) stand in each bucket: together, and at the highest? Empty buckets are absent.
SELECT bucket, sum(highest) AS together, max(highest) AS highest_of_all
FROM
(
    SELECT
        -- include: alert_bucket.sql
        AS bucket,
        max(Value) AS highest
    FROM (SELECT TimeUnix AS Timestamp, * FROM otel_metrics_gauge)
    WHERE ServiceName = 'sightline-collector' AND MetricName = {name:String}
        AND Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
    GROUP BY bucket, ResourceAttributes['service.instance.id']
)
GROUP BY bucket
ORDER BY bucket
