-- What did the searches of some traces ask, where their text was captured? One row a trace, at most 500 characters.
SELECT TraceId AS trace_id, leftUTF8(max(SpanAttributes['gen_ai.retrieval.query.text']), 500) AS text
FROM otel_traces
WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
    AND TraceId IN ({trace_ids:Array(String)}) AND mapContains(SpanAttributes, 'gen_ai.retrieval.query.text')
GROUP BY trace_id
HAVING text != ''
ORDER BY trace_id
