-- Which requests were there? One page of them, sorted by time, ttft or total; matching says how many there are on all pages.
-- search: see questions/search.py. What they spent is in `spend_of_traces`, how they scored in `scores_of_traces`.
-- First which requests stand on the page, by the columns that order them, then the rest of those.
WITH
    -- condition: hits
    if({descending:UInt8} = 1, -1, 1) AS direction,
    (
        SELECT groupArray((matching, trace, ns))
        FROM
        (
            SELECT
                multiIf({sort:String} = 'ttft', TtftMs, {sort:String} = 'total', DurationMs, toFloat64(toUnixTimestamp64Milli(Timestamp))) AS value,
                TraceHash AS trace, toUnixTimestamp64Nano(Timestamp) AS ns, count() OVER () AS matching
            FROM requests
            WHERE
                -- include: matching_requests.sql
            ORDER BY
                -- condition: order
                value * direction ASC NULLS LAST, toUnixTimestamp64Milli(Timestamp) DESC, trace
            LIMIT {limit:UInt32} OFFSET {offset:UInt32}
        )
    ) AS page,
    indexOf(arrayZip(page.2, page.3), (TraceHash, toUnixTimestamp64Nano(Timestamp))) AS place
SELECT
    -- include: request_columns.sql
    page.1[1] AS matching
FROM requests
WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
    AND toStartOfFiveMinutes(Timestamp) IN (SELECT toStartOfFiveMinutes(fromUnixTimestamp64Nano(arrayJoin(page.3), 'UTC')))
    AND TraceHash IN (page.2) AND place > 0
ORDER BY place
