-- What was collected by service.name, beside the spans that are `stored`.
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
    SELECT service, toUInt64(0), toUInt64(0), spans, toUInt64(0)
    FROM stored
    UNION ALL
    SELECT toString(ServiceName), toUInt64(0), toUInt64(0), toUInt64(0), toUInt64(sum(Spans))
    FROM sampled_out_spans
    WHERE Hour >= toStartOfHour({from:DateTime64(3, 'UTC')}) AND Hour < {to:DateTime64(3, 'UTC')}
    GROUP BY ServiceName
)
GROUP BY service
ORDER BY received_spans DESC, queryable_spans DESC
LIMIT 100
