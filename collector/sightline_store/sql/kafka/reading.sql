-- With this view ClickHouse begins to read: all that hangs off the table behind it is there.
CREATE MATERIALIZED VIEW IF NOT EXISTS ${kafka}.otlp_${signal}_to_read TO ${kafka}.otlp_${signal}_read AS
SELECT *, _topic, _partition, _offset, _timestamp_ms, _key, _error, _raw_message
FROM ${kafka}.otlp_${signal};
