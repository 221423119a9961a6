-- How far does the index lag behind the documents that come in, and how many fail to get in? One row a service and signal.
-- An ingestion is a trace with spans of the stage 'ingest'. Its lag, in seconds, goes from the trace's first stage to the end of the last one of that
-- kind, when its documents are found; one that failed has none. Of each minute one ingestion is read: those of one queue wait for each other.
WITH observed AS
(
    SELECT service AS comparison, is_current, signal, x
    FROM
    (
        SELECT
            TraceHash, argMinIf(toString(ServiceName), Timestamp, Stage = 'ingest') AS service, min(Timestamp) AS began,
            began >= {current_from:DateTime64(3, 'UTC')} AS is_current,
            countIf(Stage = 'ingest' AND StatusCode = 'Error') > 0 AS is_failed,
            maxIf(toFloat64(Timestamp) + DurationMs / 1000, Stage = 'ingest') - toFloat64(began) AS lag_s
        FROM stages
        WHERE
            -- include: drift_windows.sql
            AND TraceHash IN (
                SELECT TraceHash FROM stages
                WHERE Stage = 'ingest' AND
                    -- include: drift_windows.sql
            )
        GROUP BY TraceHash
        ORDER BY TraceHash
        LIMIT 1 BY service, toStartOfMinute(began)
    )
    ARRAY JOIN ['lag', 'failed'] AS signal, [if(is_failed, nan, lag_s), toFloat64(is_failed)] AS x
)
-- include: drift_distributions.sql
