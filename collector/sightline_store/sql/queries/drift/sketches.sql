-- Sketches of queries of both windows, at most `limit` of each, to find topics in: those of one version, chosen by a hash of the trace.
SELECT
    trace_id, is_current, started_ms, vector
FROM
(
    SELECT
        Timestamp >= {current_from:DateTime64(3, 'UTC')} AS is_current,
        TraceId AS trace_id, toUnixTimestamp64Milli(Timestamp) AS started_ms, TraceHash,
        -- include: drift_vector.sql
        AS vector
    FROM retrievals
    WHERE
        -- include: drift_windows.sql
        AND TraceHash % {stride:UInt64} = 0 AND QuerySketchVersion = {sketch_version:String} AND Embedding = {embedding:String} AND EmbeddingVersion = {embedding_version:String} AND
        -- include: drift_traces.sql
    LIMIT 1 BY TraceHash
)
WHERE notEmpty(vector)
ORDER BY intHash64(TraceHash)
LIMIT {limit:UInt32} BY is_current
