-- The model calls of a window, and of what it is narrowed to. A route's are those of its requests, which may have begun before.
Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
    AND ({tenant:String} = '' OR Tenant = {tenant:String})
    AND ({model:String} = '' OR ResponseModel = {model:String} OR (ResponseModel = '' AND RequestModel = {model:String}))
    AND ({route:String} = '' OR TraceHash IN (
        SELECT TraceHash FROM requests
        WHERE Timestamp >= {from:DateTime64(3, 'UTC')} - INTERVAL 1 HOUR AND Timestamp < {to:DateTime64(3, 'UTC')}
            AND {route:String} != '' AND Route = {route:String}))
