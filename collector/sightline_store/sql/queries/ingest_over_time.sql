-- How many spans were stored, a bucket and service?
SELECT
    intDiv(toUnixTimestamp(Timestamp), {bucket_s:UInt32}) * {bucket_s:UInt32} AS bucket,
    toString(ServiceName) AS service,
    count() AS spans
FROM otel_traces
WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
GROUP BY bucket, service
ORDER BY bucket, service
