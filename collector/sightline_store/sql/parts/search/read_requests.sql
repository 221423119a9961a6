-- The newest requests that hold the terms which columns answer: the raw spans of no others are read. They are narrowed as
-- of_requests.sql has it, but calls of a model are looked up only as far back as these requests reach.
SELECT Timestamp, TraceHash FROM requests
WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
    AND ({tenant:String} = '' OR Tenant = {tenant:String})
    AND ({route:String} = '' OR Route = {route:String})
    AND ({model:String} = '' OR TraceHash IN (
        SELECT TraceHash FROM llm_calls
        WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')} + INTERVAL 1 HOUR
            AND Timestamp >=
                -- include: search_reach.sql
                - INTERVAL 1 HOUR
            AND {model:String} != '' AND ({tenant:String} = '' OR Tenant IN ('', {tenant:String}))
            AND (ResponseModel = {model:String} OR (ResponseModel = '' AND RequestModel = {model:String}))))
    AND ({only_errors:UInt8} = 0 OR HttpStatus >= 500 OR
        -- include: failed.sql
    )
    AND Timestamp >=
        -- include: search_reach.sql
    -- condition: columns
ORDER BY Timestamp DESC
LIMIT {max_read:UInt32}
