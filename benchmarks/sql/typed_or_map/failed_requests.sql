-- Failed requests of each route.
SELECT toString(Route) AS route_name, count() AS requests, countIf(HttpStatus >= 500) AS failed
FROM requests
WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')} AND Route != ''
GROUP BY route_name ORDER BY route_name;
SELECT SpanAttributes['http.route'] AS route_name, count() AS requests, countIf(toUInt16OrZero(SpanAttributes['http.response.status_code']) >= 500) AS failed
FROM otel_traces
WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
    AND SpanAttributes['sightline.stage'] = 'request' AND SpanAttributes['http.route'] != ''
GROUP BY route_name ORDER BY route_name;
