-- How did some signals of drift go, run by run? One row a run, signal and key, in the order of time; of more the newest.
-- key narrows to one comparison, '' to none.
SELECT *
FROM
(
    SELECT
        -- include: drift_result_columns.sql
    FROM scores
    WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
        AND has(arrayMap(signal -> concat('drift.', signal), {signals:Array(String)}), toString(Name))
        AND ({key:String} = '' OR key = {key:String})
    ORDER BY at_ms DESC, signal, key
    LIMIT {limit:UInt32}
)
ORDER BY at_ms, signal, key
