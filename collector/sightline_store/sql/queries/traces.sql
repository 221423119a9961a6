-- Which requests were there? One page of them, sorted by time, ttft or total; matching says how many there are on all pages.
-- search: see questions/search.py. What they spent and scored is in `trace_totals`.
WITH
    -- condition: hits
    if({descending:UInt8} = 1, -1, 1) AS direction
SELECT
    -- include: request_columns.sql
    (
        SELECT count()
        FROM requests
        WHERE
            -- include: matching_requests.sql
    ) AS matching
FROM requests
WHERE
    -- include: matching_requests.sql
ORDER BY
    multiIf({sort:String} = 'ttft', TtftMs, {sort:String} = 'total', DurationMs, toFloat64(started_ms))
        * direction ASC NULLS LAST,
    started_ms DESC, TraceHash
LIMIT {limit:UInt32} OFFSET {offset:UInt32}
