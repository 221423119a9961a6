-- Which models each tenant called: what a page's filters offer.
SELECT toString(Tenant) AS tenant, arraySort(groupUniqArray(toString(RequestModel))) AS models
FROM llm_calls
WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')} AND Operation = 'chat'
GROUP BY Tenant ORDER BY tenant;
SELECT SpanAttributes['tenant.id'] AS tenant, arraySort(groupUniqArray(SpanAttributes['gen_ai.request.model'])) AS models
FROM otel_traces
WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')} AND SpanAttributes['gen_ai.operation.name'] = 'chat'
GROUP BY tenant ORDER BY tenant;
