-- What the collectors received and put into the store's tables in the window, by service.name, and which of these spans
-- are rows. Received and shipped go by the time of arrival, rows and sampled out ones by the time of the span: they differ
-- at the edges.
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
        -- include: counted.sql
    )
    WHERE startsWith(name, 'sightline.collector.service.')
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
