-- How full is the store and how old is the newest span in it? newest_ms is NULL in an empty store. Spans whose times are
-- past 2106, and are stored as its last second, are counted as misdated_spans, and not as the newest.
SELECT
    count() AS spans,
    if(count() = 0, NULL, toUnixTimestamp64Milli((SELECT max(Timestamp) FROM otel_traces WHERE toDate(Timestamp) < '2106-02-07'))) AS newest_ms,
    if(count() = 0, NULL, toUnixTimestamp64Milli(min(Timestamp))) AS oldest_ms,
    (SELECT sum(Spans) FROM clamped_spans WHERE Hour >= '2106-02-07') AS misdated_spans,
    toUnixTimestamp64Milli(now64(3)) AS now_ms
FROM otel_traces
