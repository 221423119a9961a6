-- What did answers score on `name`, by the time of judging? failed: the judge gave no value. Of an answer the newest score counts.
-- Narrowed to a tenant, a model, a route or a service, scores are those of its requests, asked at most a day before the window.
SELECT
    -- include: alert_bucket.sql
    AS bucket,
    count() AS judged,
    countIf(Value IS NULL) AS failed,
    ifNull(sum(Value), 0) AS total,
    countIf(Value < 0.5) AS low
FROM
(
    SELECT Timestamp, Value
    FROM scores
    WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
        AND Name = {name:String} AND TraceHash != cityHash64('')
        AND (({tenant:String} = '' AND {model:String} = '' AND {route:String} = '' AND {service:String} = '') OR TraceHash IN (
            SELECT TraceHash
            FROM requests
            WHERE Timestamp >= {from:DateTime64(3, 'UTC')} - INTERVAL 1 DAY AND Timestamp < {to:DateTime64(3, 'UTC')}
                AND ({tenant:String} = '' OR Tenant = {tenant:String})
                AND ({route:String} = '' OR Route = {route:String})
                AND ({service:String} = '' OR ServiceName = {service:String})
                AND ({model:String} = '' OR TraceHash IN (
                    SELECT TraceHash FROM llm_calls
                    WHERE Timestamp >= {from:DateTime64(3, 'UTC')} - INTERVAL 1 DAY AND Timestamp < {to:DateTime64(3, 'UTC')}
                        AND (ResponseModel = {model:String} OR (ResponseModel = '' AND RequestModel = {model:String}))))))
    ORDER BY Timestamp DESC
    LIMIT 1 BY TraceHash
)
GROUP BY bucket
ORDER BY bucket
