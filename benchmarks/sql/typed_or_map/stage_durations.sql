-- How often each stage ran and failed, and how long it took.
SELECT toString(Stage) AS stage, count() AS spans, countIf(StatusCode = 'Error') AS failed, round(quantileExact(0.95)(DurationMs), 3) AS p95
FROM stages
WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
GROUP BY Stage ORDER BY stage;
SELECT SpanAttributes['sightline.stage'] AS stage, count() AS spans, countIf(StatusCode = 'Error') AS failed, round(quantileExact(0.95)(Duration / 1e6), 3) AS p95
FROM otel_traces
WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')} AND SpanAttributes['sightline.stage'] NOT IN ('', 'request')
GROUP BY stage ORDER BY stage;
