-- How long reranking took, by hour.
SELECT toUnixTimestamp(toStartOfHour(Timestamp)) AS hour, round(quantileExact(0.95)(DurationMs), 3) AS p95
FROM stages
WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')} AND Stage = 'rerank'
GROUP BY hour ORDER BY hour;
SELECT toUnixTimestamp(toStartOfHour(Timestamp)) AS hour, round(quantileExact(0.95)(Duration / 1e6), 3) AS p95
FROM otel_traces
WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')} AND SpanAttributes['sightline.stage'] = 'rerank'
GROUP BY hour ORDER BY hour;
