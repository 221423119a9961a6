-- Which requests cost most, or least? One page of them, with the columns of `traces`; those without a known cost come last.
-- list_value is the cost, list_trace what comes behind it.
-- First what the calls of each trace of theirs cost together, then the requests of the dearest. Whether a trace has a request is
-- looked up for a list that is narrowed (is_narrowed); any other has `spare` more traces than it needs.
WITH
    -- condition: hits
    {limit:UInt32} + {offset:UInt32} + {spare:UInt32} AS enough,
    if({descending:UInt8} = 1, -1, 1) AS direction,
    (
        SELECT groupArray((trace, cost))
        FROM
        (
            SELECT TraceHash AS trace, sum(ifNull(CostUsd, nan)) AS cost
            FROM llm_calls_priced
            WHERE Timestamp >= {from:DateTime64(3, 'UTC')} - INTERVAL 5 MINUTE AND Timestamp < {to:DateTime64(3, 'UTC')} + INTERVAL 1 HOUR
                AND ({tenant:String} = '' OR Tenant IN ('', {tenant:String}))
                AND ({is_narrowed:UInt8} = 0 OR TraceHash IN (
                    SELECT TraceHash
                    FROM requests
                    WHERE
                        -- include: matching_requests.sql
                    ))
            GROUP BY trace
            HAVING NOT isNaN(cost)
            ORDER BY cost * direction, trace
            LIMIT enough
        )
    ) AS dearest,
    transform(TraceHash, dearest.1, dearest.2, nan) AS trace_cost
SELECT
    -- include: request_columns.sql
    if(isNaN(trace_cost), NULL, trace_cost) AS list_value, TraceHash AS list_trace,
    (
        SELECT count()
        FROM requests
        WHERE
            -- include: matching_requests.sql
    ) AS matching
FROM requests
WHERE
    -- include: matching_requests.sql
    AND (length(dearest) < enough OR TraceHash IN (SELECT arrayJoin(dearest.1)))
-- Equal costs in the order in which the dearest were chosen, so that pages fit; without a known cost the newest first.
ORDER BY trace_cost * direction ASC NULLS LAST, if(isNaN(trace_cost), started_ms, 0) DESC, TraceHash
LIMIT {limit:UInt32} OFFSET {offset:UInt32}
