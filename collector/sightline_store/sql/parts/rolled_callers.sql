-- Of how many traces the calls of the window are, by model or tenant: rollups of what is over, rows of the rest.
SELECT if({by:String} = 'tenant', Tenant, Model) AS caller, Traces
FROM rollup_callers
WHERE Of = if({by:String} = 'tenant' AND {model:String} = '', 'tenant', 'model') AND
    -- include: rolled_call_periods.sql
UNION ALL
SELECT if({by:String} = 'tenant', Tenant, if(ResponseModel != '', ResponseModel, RequestModel)) AS caller, uniqExact(TraceHash) AS Traces
FROM llm_calls
WHERE
    -- include: calls_beside_rollups.sql
GROUP BY caller
