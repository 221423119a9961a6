-- The stages, or searches, of a window, and of what it is narrowed to: a route's and a model's by their traces.
Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
    AND ({tenant:String} = '' OR Tenant = {tenant:String})
    AND ({route:String} = '' OR TraceHash IN (
        SELECT TraceHash FROM requests
        WHERE Timestamp >= {from:DateTime64(3, 'UTC')} - INTERVAL 1 HOUR AND Timestamp < {to:DateTime64(3, 'UTC')}
            AND {route:String} != '' AND Route = {route:String}))
    AND ({model:String} = '' OR TraceHash IN (
        SELECT TraceHash FROM llm_calls
        WHERE Timestamp >= {from:DateTime64(3, 'UTC')} - INTERVAL 1 HOUR AND Timestamp < {to:DateTime64(3, 'UTC')} + INTERVAL 1 HOUR
            AND {model:String} != '' AND (ResponseModel = {model:String} OR (ResponseModel = '' AND RequestModel = {model:String}))))
