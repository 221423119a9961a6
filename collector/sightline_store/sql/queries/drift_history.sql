-- How did some signals of drift go, run by run? One row a run, signal and key, in the order of time; of more the newest.
-- keys narrows to the comparisons of these, none of them to nothing.
SELECT *
FROM
(
    SELECT
        -- include: drift_result_columns.sql
    FROM scores
    WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
        AND has(arrayMap(signal -> concat('drift.', signal), {signals:Array(String)}), toString(Name))
        AND (empty({keys:Array(String)}) OR has({keys:Array(String)}, key))
    ORDER BY at_ms DESC, signal, key
    LIMIT {limit:UInt32}
)
ORDER BY at_ms, signal, key
