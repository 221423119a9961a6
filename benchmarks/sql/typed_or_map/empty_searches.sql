-- Searches of each tenant, and how many found nothing.
SELECT toString(Tenant) AS tenant, count() AS searches, countIf(Returned = 0) AS empty_searches
FROM retrievals
WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
GROUP BY tenant ORDER BY tenant;
SELECT SpanAttributes['tenant.id'] AS tenant, count() AS searches, countIf(SpanAttributes['db.response.returned_rows'] = '0') AS empty_searches
FROM otel_traces
WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')} AND SpanAttributes['sightline.stage'] = 'search'
GROUP BY tenant ORDER BY tenant;
