CREATE MATERIALIZED VIEW otlp_traces_to_clamped_spans TO clamped_spans AS
SELECT
    r.4[indexOf(r.3, 'service.name')] AS ServiceName,
    toStartOfHour(sightlineSeconds(arrayJoin(arrayFilter((start, end) -> end < start OR start > 4294967295999999999, arrayFlatten(r.1), arrayFlatten(r.2))))) AS Hour,
    count() AS Spans
FROM
(
    -- Spans that end before they start (Duration 0) or start after 2106 (its last second).
    -- Only these four are read, of requests that hold such a span: nearly none does. A name that is no text counts as ''.
    SELECT arrayJoin(arrayZip(
        resource_spans.scope_spans.spans.start_time_unix_nano, resource_spans.scope_spans.spans.end_time_unix_nano,
        resource_spans.resource.attributes.key, resource_spans.resource.attributes.value.string_value)) AS r
    FROM otlp_traces
    WHERE arrayExists((start, end) -> end < start OR start > 4294967295999999999,
        arrayFlatten(resource_spans.scope_spans.spans.start_time_unix_nano),
        arrayFlatten(resource_spans.scope_spans.spans.end_time_unix_nano))
)
GROUP BY ServiceName, Hour;
