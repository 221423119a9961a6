-- Which versions and models appeared for the first time since the reference began? One row a change, the newest first; what something has from its first moment on is none.
WITH seen AS
(
    SELECT 'service version' AS kind, toString(ServiceName) AS subject, ResourceAttributes['service.version'] AS value, min(Timestamp) AS first_seen
    FROM otel_traces
    WHERE
        Timestamp >= {reference_from:DateTime64(3, 'UTC')} AND Timestamp < {current_to:DateTime64(3, 'UTC')}
        AND (ServiceName, SpanName) IN (
            SELECT ServiceName, Name FROM requests
            WHERE Timestamp >= {reference_from:DateTime64(3, 'UTC')} AND Timestamp < {current_to:DateTime64(3, 'UTC')})
    GROUP BY subject, value
    UNION ALL
    SELECT change.1 AS kind, collection AS subject, change.2 AS value, min(Timestamp) AS first_seen
    FROM
    (
        SELECT
            Timestamp,
            -- include: drift_collection.sql
            AS collection,
            arrayJoin([('index', toString(IndexVersion)), ('embedding', concat(toString(Embedding), ' ', toString(EmbeddingVersion)))]) AS change
        FROM retrievals
        WHERE Timestamp >= {reference_from:DateTime64(3, 'UTC')} AND Timestamp < {current_to:DateTime64(3, 'UTC')}
    )
    GROUP BY kind, subject, value
    UNION ALL
    SELECT 'model' AS kind, toString(ServiceName) AS subject, toString(if(ResponseModel != '', ResponseModel, RequestModel)) AS value, min(Timestamp) AS first_seen
    FROM llm_calls
    WHERE Timestamp >= {reference_from:DateTime64(3, 'UTC')} AND Timestamp < {current_to:DateTime64(3, 'UTC')}
    GROUP BY subject, value
)
SELECT kind, subject, value, was, toUnixTimestamp64Milli(first_seen) AS first_ms
FROM
(
    SELECT *, lagInFrame(value, 1, '') OVER (PARTITION BY kind, subject ORDER BY first_seen ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS was
    FROM seen
    WHERE trim(value) != ''
)
WHERE was != ''
ORDER BY first_ms DESC, kind, subject, value
LIMIT {limit:UInt32}
