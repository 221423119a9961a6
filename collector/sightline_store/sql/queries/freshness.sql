-- How full is the store and how old is the newest span in it? newest_ms is NULL in an empty store.
SELECT
    count() AS spans,
    if(count() = 0, NULL, toUnixTimestamp64Milli(max(Timestamp))) AS newest_ms,
    if(count() = 0, NULL, toUnixTimestamp64Milli(min(Timestamp))) AS oldest_ms,
    toUnixTimestamp64Milli(now64(3)) AS now_ms
FROM otel_traces
