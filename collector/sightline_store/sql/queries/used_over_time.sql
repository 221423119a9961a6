-- Which versions of services, indexes, embeddings and models were in use? One row a bucket, kind, subject and value, in the order of time.
-- A service's version stands in spans alone: it is read of the first and the last request of a bucket, which the sorting key finds.
WITH
    {from:DateTime64(3, 'UTC')} AS since,
    {to:DateTime64(3, 'UTC')} AS until,
    requests_to_read AS
    (
        SELECT ServiceName, picked.1 AS Name, toDateTime(picked.2) AS Second
        FROM
        (
            SELECT ServiceName, arrayJoin([(argMin(Name, Timestamp), min(Timestamp)), (argMax(Name, Timestamp), max(Timestamp))]) AS picked
            FROM requests
            WHERE Timestamp >= since AND Timestamp < until
            GROUP BY ServiceName, intDiv(toUnixTimestamp(Timestamp), {bucket_s:UInt32})
        )
    )
SELECT kind, subject, value, intDiv(toUnixTimestamp(at), {bucket_s:UInt32}) * {bucket_s:UInt32} AS bucket,
    sum(used) AS uses, toUnixTimestamp64Milli(min(at)) AS first_ms
FROM
(
    SELECT 'service' AS kind, toString(ServiceName) AS subject, ResourceAttributes['service.version'] AS value, Timestamp AS at, 1 AS used
    FROM otel_traces
    WHERE Timestamp >= since AND Timestamp < until AND (ServiceName, SpanName, toDateTime(Timestamp)) IN (SELECT * FROM requests_to_read)
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
        WHERE Timestamp >= since AND Timestamp < until
        GROUP BY collection, IndexVersion, Embedding, EmbeddingVersion, intDiv(toUnixTimestamp(Timestamp), {bucket_s:UInt32})
    )
    UNION ALL
    SELECT 'model' AS kind, toString(ServiceName) AS subject, toString(if(ResponseModel != '', ResponseModel, RequestModel)) AS value,
        min(Timestamp) AS at, count() AS used
    FROM llm_calls
    WHERE Timestamp >= since AND Timestamp < until
    GROUP BY subject, value, intDiv(toUnixTimestamp(Timestamp), {bucket_s:UInt32})
)
WHERE value != ''
GROUP BY kind, subject, value, bucket
ORDER BY bucket, kind, subject, value
LIMIT {limit:UInt32}
