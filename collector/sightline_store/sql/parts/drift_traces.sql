-- Traces of users only: none that asks a canary question, and of each session one, since what follows depends on it.
-- Where one trace in `stride` is read, the one of a session is chosen among those that are read.
TraceHash NOT IN (
    SELECT TraceHash FROM scores
    WHERE Timestamp >= {reference_from:DateTime64(3, 'UTC')} AND Timestamp < {current_to:DateTime64(3, 'UTC')} + INTERVAL 1 HOUR
        AND Name = 'drift.canary' AND TraceHash != cityHash64(''))
AND TraceHash NOT IN (
    SELECT arrayJoin(arraySlice(arraySort(groupUniqArray(TraceHash)), 2)) FROM requests
    WHERE SessionId != '' AND TraceHash % {stride:UInt64} = 0 AND
        -- include: drift_windows.sql
    GROUP BY Tenant, SessionId, Timestamp >= {current_from:DateTime64(3, 'UTC')}
    HAVING count() > 1)
