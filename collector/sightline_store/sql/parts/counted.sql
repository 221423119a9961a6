-- What each counter of the collectors about spans rose by in the window, a process. A counter begins with its process, one of
-- a service with its first span; what it had reached before the window, by what was reported in the hour before, is taken off.
SELECT
    MetricName AS name,
    Attributes['service'] AS service,
    toUInt64(max(Value) - maxIf(Value, TimeUnix < {from:DateTime64(3, 'UTC')})) AS counted
FROM otel_metrics_sum
WHERE ServiceName = 'sightline-collector'
    AND startsWith(MetricName, 'sightline.collector.')
    AND Attributes['signal'] = 'traces'
    AND TimeUnix >= {from:DateTime64(3, 'UTC')} - INTERVAL 1 HOUR AND TimeUnix < {to:DateTime64(3, 'UTC')}
GROUP BY MetricName, Attributes['service'], ResourceAttributes['service.instance.id'], StartTimeUnix
