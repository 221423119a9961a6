-- Which attribute keys of GenAI conventions did spans carry, how often, and which instrumentation wrote them?
-- Numbers inside keys become N. A row that stands for others (sampling) counts as many.
SELECT
    replaceRegexpAll(key, '\\.[0-9]+(\\.|$)', '.N\\1') AS key_name,
    toUInt64(round(sum(weight))) AS spans,
    groupUniqArray(4)(ScopeName) AS scopes,
    any(example) AS example
FROM
(
    SELECT
        toString(arrayJoin(arrayFilter(k -> arrayExists(p -> startsWith(k, p), {prefixes:Array(String)}), mapKeys(SpanAttributes)))) AS key,
        ScopeName,
        left(SpanAttributes[key], 80) AS example,
        if(SpanAttributes['sightline.sampling.weight'] = '', 1, toFloat64OrZero(SpanAttributes['sightline.sampling.weight'])) AS weight
    FROM otel_traces
    WHERE Timestamp >= now64(9) - toIntervalSecond({since_s:UInt64})
)
GROUP BY key_name
ORDER BY spans DESC, key_name
LIMIT {limit:UInt32}
