-- The question ingest_over_time, of rollups and of the rows that no rollup holds.
SELECT bucket, service, sum(n) AS spans
FROM
(
    SELECT intDiv(toUnixTimestamp(Start), {bucket_s:UInt32}) * {bucket_s:UInt32} AS bucket, toString(Service) AS service, sum(Spans) AS n
    FROM rollup_spans
    WHERE
        -- include: rolled_periods.sql
    GROUP BY bucket, service
    UNION ALL
    SELECT intDiv(toUnixTimestamp(Timestamp), {bucket_s:UInt32}) * {bucket_s:UInt32} AS bucket, toString(ServiceName) AS service, count() AS n
    FROM otel_traces
    WHERE
        -- include: beside_rollups_of_all.sql
    GROUP BY bucket, service
)
GROUP BY bucket, service
ORDER BY bucket, service
