-- Minutes of raw spans by service.
INSERT INTO rollup_spans
SELECT
    toUInt32(60) AS Period, toDateTime(intDiv(toUnixTimestamp(Timestamp), 60) * 60, 'UTC') AS Start, {version:UInt64} AS Version,
    'all' AS By, '' AS Tenant, ServiceName AS Service, count() AS Spans
FROM otel_traces
WHERE
    -- include: rows_of_minutes.sql
GROUP BY Start, Service
LIMIT {limit:UInt32} BY Start, By
