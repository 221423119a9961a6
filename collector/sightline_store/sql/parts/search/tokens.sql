TraceHash IN (
    SELECT TraceHash FROM llm_calls
    WHERE Timestamp >= {from:DateTime64(3, 'UTC')} - INTERVAL 5 MINUTE AND Timestamp < {to:DateTime64(3, 'UTC')} + INTERVAL 1 HOUR
        AND ({tenant:String} = '' OR Tenant IN ('', {tenant:String}))
        -- condition: among
    GROUP BY TraceHash
    HAVING if(count(InputTokens) + count(OutputTokens) = 0, NULL, sum(ifNull(InputTokens, 0) + ifNull(OutputTokens, 0))) > {number:Float64})
