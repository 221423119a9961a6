-- Which versions were in use by the rows of a window, but for the part of it that rollups hold: a row a kind, subject, value and
-- bucket. A service's version stands in spans alone: it is read of the first and the last request of a bucket, which the sorting
-- key finds.
SELECT
    kind, subject, value, intDiv(toUnixTimestamp(at), {bucket_s:UInt32}) * {bucket_s:UInt32} AS bucket,
    sum(used) AS uses, toUnixTimestamp64Milli(min(at)) AS first_ms
FROM
(
    SELECT 'service' AS kind, toString(ServiceName) AS subject, ResourceAttributes['service.version'] AS value, Timestamp AS at, 1 AS used
    FROM otel_traces
    WHERE
        -- include: beside_rollups_of_all.sql
        AND (ServiceName, toStartOfFiveMinutes(Timestamp), TraceId, SpanName, toDateTime(Timestamp)) IN (
            SELECT ServiceName, toStartOfFiveMinutes(picked.2), picked.1.2, picked.1.1, toDateTime(picked.2)
            FROM
            (
                SELECT ServiceName, arrayJoin([(argMin((Name, TraceId), Timestamp), min(Timestamp)), (argMax((Name, TraceId), Timestamp), max(Timestamp))]) AS picked
                FROM requests
                WHERE
                    -- include: beside_rollups_of_all.sql
                GROUP BY ServiceName, intDiv(toUnixTimestamp(Timestamp), {bucket_s:UInt32})
            ))
    UNION ALL
    SELECT change.1 AS kind, collection AS subject, change.2 AS value, first AS at, searches AS used
    FROM
    (
        SELECT
            -- include: drift_collection.sql
            AS collection,
            min(Timestamp) AS first,
            count() AS searches,
            arrayJoin([('index', toString(IndexVersion)), ('embedding', trim(concat(toString(Embedding), ' ', toString(EmbeddingVersion))))]) AS change
        FROM retrievals
        WHERE
            -- include: beside_rollups_of_all.sql
        GROUP BY collection, IndexVersion, Embedding, EmbeddingVersion, intDiv(toUnixTimestamp(Timestamp), {bucket_s:UInt32})
    )
    UNION ALL
    SELECT 'model' AS kind, toString(ServiceName) AS subject, toString(if(ResponseModel != '', ResponseModel, RequestModel)) AS value,
        min(Timestamp) AS at, count() AS used
    FROM llm_calls
    WHERE
        -- include: beside_rollups_of_all.sql
    GROUP BY subject, value, intDiv(toUnixTimestamp(Timestamp), {bucket_s:UInt32})
)
WHERE value != ''
GROUP BY kind, subject, value, bucket
