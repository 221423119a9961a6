-- The passages that were found most, and their mean score.
SELECT document_id, count() AS hits, round(avg(score), 6) AS mean_score
FROM retrievals ARRAY JOIN DocumentIds AS document_id, Scores AS score
WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
GROUP BY document_id ORDER BY hits DESC, document_id LIMIT 20;
SELECT document.id AS document_id, count() AS hits, round(avg(document.score), 6) AS mean_score
FROM
(
    SELECT arrayJoin(JSONExtract(SpanAttributes['gen_ai.retrieval.documents'], 'Array(Tuple(id String, score Nullable(Float64)))')) AS document
    FROM otel_traces
    WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')} AND SpanAttributes['sightline.stage'] = 'search'
)
GROUP BY document_id ORDER BY hits DESC, document_id LIMIT 20;
