-- Which requests were there, of their facts? One page of them, with the columns of `traces`, sorted by time, ttft, total or cost as
-- traces.sql and traces_by_cost.sql have them. list_value is what the list is sorted by, list_trace what comes behind it.
WITH
    if({descending:UInt8} = 1, -1, 1) AS direction,
    (
        SELECT groupArray((trace, ns, value, n))
        FROM
        (
            SELECT
                TraceHash AS trace, toUnixTimestamp64Nano(Timestamp) AS ns, toUnixTimestamp64Milli(Timestamp) AS ms,
                multiIf(
                    {sort:String} = 'ttft', TtftMs, {sort:String} = 'total', DurationMs,
                    {sort:String} = 'cost', if(isNaN(CostUsd), NULL, CostUsd), toFloat64(ms)) AS value,
                count() OVER () AS n
            FROM rollup_facts
            WHERE
                -- include: facts_of_window.sql
            ORDER BY
                -- condition: order
                value * direction ASC NULLS LAST, if({sort:String} = 'cost' AND value IS NOT NULL, 0, ms) DESC, trace
            LIMIT {limit:UInt32} OFFSET {offset:UInt32}
        )
    ) AS page,
    indexOf(arrayZip(page.1, page.2), (TraceHash, toUnixTimestamp64Nano(Timestamp))) AS place
SELECT
    -- include: request_columns.sql
    page.3[place] AS list_value, TraceHash AS list_trace, page.4[1] AS matching
FROM requests
WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
    AND toStartOfFiveMinutes(Timestamp) IN (SELECT toStartOfFiveMinutes(fromUnixTimestamp64Nano(arrayJoin(page.2), 'UTC')))
    AND TraceHash IN (SELECT arrayJoin(page.1)) AND place > 0
ORDER BY place
