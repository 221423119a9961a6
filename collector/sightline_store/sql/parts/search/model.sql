TraceHash IN (
    SELECT TraceHash FROM llm_calls
    WHERE Timestamp >= {from:DateTime64(3, 'UTC')} - INTERVAL 5 MINUTE AND Timestamp < {to:DateTime64(3, 'UTC')} + INTERVAL 1 HOUR
        AND ({tenant:String} = '' OR Tenant IN ('', {tenant:String}))
        -- condition: among
        AND (ResponseModel = {value:String} OR (ResponseModel = '' AND RequestModel = {value:String})))
