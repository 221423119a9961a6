-- Calls and tokens of each model.
SELECT toString(ResponseModel) AS model_name, count() AS calls, sum(InputTokens) AS input_tokens, sum(OutputTokens) AS output_tokens
FROM llm_calls
WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')} AND Operation = 'chat'
GROUP BY model_name ORDER BY model_name;
SELECT SpanAttributes['gen_ai.response.model'] AS model_name, count() AS calls,
    sum(toUInt64OrNull(SpanAttributes['gen_ai.usage.input_tokens'])) AS input_tokens, sum(toUInt64OrNull(SpanAttributes['gen_ai.usage.output_tokens'])) AS output_tokens
FROM otel_traces
WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')} AND SpanAttributes['gen_ai.operation.name'] = 'chat'
GROUP BY model_name ORDER BY model_name;
