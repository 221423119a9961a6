-- The calls of each trace: their tenants, models and costs (NaN where a cost is unknown), side by side.
SELECT
    TraceHash,
    (
        groupArray(toString(Tenant)), groupArray(toString(if(ResponseModel != '', ResponseModel, RequestModel))),
        groupArray(ifNull(CostUsd, nan))) AS calls
FROM llm_calls_priced
