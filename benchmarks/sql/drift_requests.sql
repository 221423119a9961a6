-- The requests of those searches: 300,000 sessions.
INSERT INTO requests (Timestamp, TraceId, SpanId, ServiceName, Name, Tenant, SessionId, Convention, StatusCode, DurationMs)
SELECT
    toDateTime64({start:DateTime('UTC')}, 9) + toIntervalMillisecond(sipHash64(n, 1) % 86400000), lower(hex(sipHash128(n))), 'a', 'rag', 'ask',
    concat('tenant-', toString(sipHash64(n, 2) % 20)), concat('session-', toString(sipHash64(n, 6) % 300000)), 'sightline', 'Ok', 900
FROM (SELECT number + {first:UInt64} AS n FROM numbers({rows:UInt64}))
SETTINGS max_block_size = 32768, max_threads = 2, max_partitions_per_insert_block = 0
