-- Searches of a day for the drift benchmark's cost: 20 tenants, sketches of 32 numbers, five documents each.
INSERT INTO retrievals (Timestamp, TraceId, SpanId, ServiceName, Tenant, Convention, System, Collection, Operation, Embedding, EmbeddingVersion, IndexVersion, QuerySketch, QuerySketchVersion, ScoreKind, DocumentIds, Scores, TopScore, IsEmpty, DurationMs, StatusCode)
SELECT
    toDateTime64({start:DateTime('UTC')}, 9) + toIntervalMillisecond(sipHash64(n, 1) % 86400000), lower(hex(sipHash128(n))), 'b', 'rag',
    concat('tenant-', toString(sipHash64(n, 2) % 20)), 'sightline', 'weaviate', 'Docs', 'hybrid', 'model', '1', 'v1',
    base64Encode(unhex(arrayStringConcat(arrayMap(i -> hex(toUInt8(sipHash64(n, i, 3))), range(32))))), 'cs1:sightline:32:384', 'fusion',
    arrayMap(i -> concat('d', toString(toUInt32(20000 * pow((sipHash64(n, i, 4) % 100000) / 100000, 2)))), range(5)) AS ids, [0.9, 0.8, 0.7, 0.6, 0.5],
    0.5 + (sipHash64(n, 5) % 1000) / 2000, false, 12, 'Ok'
FROM (SELECT number + {first:UInt64} AS n FROM numbers({rows:UInt64}))
SETTINGS max_block_size = 32768, max_threads = 2, max_partitions_per_insert_block = 0
