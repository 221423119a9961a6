-- Median time to first token of each tenant.
SELECT toString(Tenant) AS tenant, count() AS requests, round(quantileExact(0.5)(TtftMs), 3) AS p50
FROM requests
WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')} AND TtftMs IS NOT NULL
GROUP BY tenant ORDER BY tenant;
SELECT SpanAttributes['tenant.id'] AS tenant, count() AS requests,
    round(quantileExact(0.5)(toFloat64(SpanAttributes['sightline.response.time_to_first_token']) * 1e3), 3) AS p50
FROM otel_traces
WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
    AND SpanAttributes['sightline.stage'] = 'request' AND SpanAttributes['sightline.response.time_to_first_token'] != ''
GROUP BY tenant ORDER BY tenant;
