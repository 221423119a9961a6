-- How many numbered spans of each bucket never arrived? A span is numbered when it begins and comes when it has ended, so the
-- window should end some minutes ago. What a process had lost before the window does not count.
SELECT
    -- include: alert_bucket.sql
    AS bucket,
    sum(greatest(missing, 0) - greatest(missing_before, 0)) AS lost_spans,
    sum(highest - highest_before) AS numbered_spans
FROM
(
    SELECT
        Timestamp, highest, missing,
        lagInFrame(highest, 1, toInt64(0)) OVER process AS highest_before,
        lagInFrame(missing, 1, toInt64(0)) OVER process AS missing_before
    FROM
    (
        SELECT
            ServiceName, InstanceId, Timestamp,
            toInt64(max(HighestOfMinute) OVER process) AS highest,
            highest - toInt64(sum(SpansOfMinute) OVER process) AS missing
        FROM
        (
            SELECT
                ServiceName, InstanceId, Minute AS Timestamp,
                max(HighestSequence) AS HighestOfMinute, sum(Spans) AS SpansOfMinute
            FROM instances
            WHERE Minute < {to:DateTime64(3, 'UTC')} AND ({service:String} = '' OR ServiceName = {service:String})
                AND InstanceId IN (SELECT InstanceId FROM instances WHERE Minute >= {from:DateTime64(3, 'UTC')})
            GROUP BY ServiceName, InstanceId, Minute
        )
        WINDOW process AS (PARTITION BY ServiceName, InstanceId ORDER BY Timestamp ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
    )
    WINDOW process AS (PARTITION BY ServiceName, InstanceId ORDER BY Timestamp ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
)
WHERE Timestamp >= {from:DateTime64(3, 'UTC')}
GROUP BY bucket
ORDER BY bucket
