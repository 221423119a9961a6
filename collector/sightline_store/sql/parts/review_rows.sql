-- The requests of a page of answers to be read, in its order.
indexOf(page.1, TraceHash) AS place
SELECT
    any(TraceId) AS trace_id, argMin(SpanId, Timestamp) AS span_id,
    argMin(toString(ServiceName), Timestamp) AS service, argMin(toString(Name), Timestamp) AS name,
    toUnixTimestamp64Milli(min(Timestamp)) AS asked_ms, any(toString(Tenant)) AS tenant_name,
    page.3[any(place)] AS groundedness, page.4[any(place)] AS spread, page.5[any(place)] AS complaints,
    page.6[any(place)] AS complaint, page.7[any(place)] AS reviewers, page.8[1] AS waiting, page.9[1] AS sampled
FROM requests
WHERE TraceHash IN (SELECT arrayJoin(page.1)) AND
    -- include: of_requests_of_all_models.sql
    AND toStartOfFiveMinutes(Timestamp) >= (SELECT toStartOfFiveMinutes(arrayMin(page.2)))
GROUP BY TraceHash
ORDER BY any(place)
