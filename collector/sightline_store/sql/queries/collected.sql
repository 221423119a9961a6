-- What the collectors received and put into the store's tables in the window, by service.name, and which of these spans
-- are rows. A collector counts from its start, so what it had counted before the window is taken off. Received and
-- shipped go by the time of arrival, rows and sampled out ones by the time of the span: they differ at the edges.
SELECT
    service,
    sum(received) AS received_spans,
    sum(shipped) AS shipped_spans,
    sum(queryable) AS queryable_spans,
    sum(sampled_out) AS sampled_out_spans
FROM
(
    SELECT
        service,
        sumIf(counted, name = 'sightline.collector.service.received') AS received,
        sumIf(counted, name = 'sightline.collector.service.shipped') AS shipped,
        toUInt64(0) AS queryable,
        toUInt64(0) AS sampled_out
    FROM
    (
        SELECT
            MetricName AS name,
            Attributes['service'] AS service,
            toUInt64(max(Value) - if(min(StartTimeUnix) < {from:DateTime64(3, 'UTC')}, min(Value), 0)) AS counted
        FROM otel_metrics_sum
        WHERE MetricName IN ('sightline.collector.service.received', 'sightline.collector.service.shipped')
            AND Attributes['signal'] = 'traces'
            AND TimeUnix >= {from:DateTime64(3, 'UTC')} AND TimeUnix < {to:DateTime64(3, 'UTC')}
        GROUP BY MetricName, Attributes['service'], ResourceAttributes['service.instance.id']
    )
    GROUP BY service
    UNION ALL
    SELECT toString(ServiceName), toUInt64(0), toUInt64(0), count(), toUInt64(0)
    FROM otel_traces
    WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
    GROUP BY ServiceName
    UNION ALL
    SELECT toString(ServiceName), toUInt64(0), toUInt64(0), toUInt64(0), toUInt64(sum(Spans))
    FROM sampled_out_spans
    WHERE Hour >= toStartOfHour({from:DateTime64(3, 'UTC')}) AND Hour < {to:DateTime64(3, 'UTC')}
    GROUP BY ServiceName
)
GROUP BY service
ORDER BY received_spans DESC, queryable_spans DESC
LIMIT 100
