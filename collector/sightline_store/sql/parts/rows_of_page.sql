-- The requests of a page that lists of rollups tell: found is how many requests match, and (TraceHash, beginning in epoch ns) of each.
SELECT
    -- include: request_columns.sql
    found.1 AS matching
FROM requests
WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
    AND toStartOfFiveMinutes(Timestamp) IN (SELECT toStartOfFiveMinutes(fromUnixTimestamp64Nano(arrayJoin(found.2.2), 'UTC')))
    AND TraceHash IN (SELECT arrayJoin(found.2.1)) AND place > 0
ORDER BY place
