TraceHash IN (
    SELECT TraceHash FROM stages
    WHERE Timestamp >= {from:DateTime64(3, 'UTC')} - INTERVAL 5 MINUTE AND Timestamp < {to:DateTime64(3, 'UTC')} + INTERVAL 1 HOUR AND Stage = {value:String}
        AND ({tenant:String} = '' OR Tenant IN ('', {tenant:String}))
        -- condition: among
)
