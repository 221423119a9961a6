TraceHash IN (
    SELECT TraceHash FROM llm_calls_priced
    WHERE Timestamp >= {from:DateTime64(3, 'UTC')} - INTERVAL 5 MINUTE AND Timestamp < {to:DateTime64(3, 'UTC')} + INTERVAL 1 HOUR
        AND ({tenant:String} = '' OR Tenant IN ('', {tenant:String}))
        -- condition: among
    GROUP BY TraceHash
    HAVING (sum(ifNull(CostUsd, nan)) AS trace_cost) > {number:Float64} AND NOT isNaN(trace_cost))
