-- Which requests a list of them is about: those of the window, of what it is narrowed to, and of what is searched for.
Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
    AND ({tenant:String} = '' OR Tenant = {tenant:String})
    AND ({route:String} = '' OR Route = {route:String})
    AND ({model:String} = '' OR TraceHash IN (
        SELECT TraceHash FROM llm_calls
        WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')} + INTERVAL 1 HOUR
            AND (ResponseModel = {model:String} OR (ResponseModel = '' AND RequestModel = {model:String}))))
    AND ({search:String} = '' OR startsWith(TraceId, lower({search:String}))
        OR positionCaseInsensitiveUTF8(SessionId, {search:String}) > 0 OR positionCaseInsensitiveUTF8(UserId, {search:String}) > 0)
    AND ({only_errors:UInt8} = 0 OR StatusCode = 'Error' OR HttpStatus >= 500)
