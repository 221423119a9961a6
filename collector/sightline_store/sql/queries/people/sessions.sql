-- Which conversations were there? One page of them, the newest first; matching says how many there are on all pages.
-- A session's requests are those of the window and of the search; its name may be used by two tenants.
-- First which sessions stand on the page, by the columns that order them, then the rest of those: most sessions are on no page.
WITH
    -- condition: hits
    SessionId != '' AS is_of_session,
    (
        SELECT groupArray((session, tenant, matching))
        FROM
        (
            SELECT SessionId AS session, toString(Tenant) AS tenant, count() OVER () AS matching
            FROM requests
            WHERE is_of_session AND
                -- include: matching_requests.sql
            GROUP BY session, tenant
            ORDER BY max(toUnixTimestamp64Milli(Timestamp) + DurationMs) DESC, session, tenant
            LIMIT {limit:UInt32} OFFSET {offset:UInt32}
        )
    ) AS page
SELECT
    SessionId AS session_id,
    toString(Tenant) AS tenant_name,
    page.3[1] AS matching,
    count() AS requests,
    countIf(HttpStatus >= 500 OR
        -- include: failed.sql
    ) AS failed,
    arraySort(groupUniqArrayIf(3)(UserId, UserId != '')) AS users,
    toUnixTimestamp64Milli(min(Timestamp)) AS first_ms,
    max(toUnixTimestamp64Milli(Timestamp) + DurationMs) AS last_ms,
    quantileTDigest(TtftMs) AS ttft_p50_ms,
    quantileTDigest(DurationMs) AS total_p50_ms,
    -- The request that began it.
    argMin(TraceId, Timestamp) AS trace_id, argMin(SpanId, Timestamp) AS span_id, first_ms AS started_ms,
    argMin(toString(ServiceName), Timestamp) AS service, argMin(toString(Name), Timestamp) AS name
FROM requests
WHERE SessionId IN (page.1) AND
    -- include: matching_requests.sql
GROUP BY session_id, tenant_name
HAVING has(arrayZip(page.1, page.2), (session_id, tenant_name))
ORDER BY last_ms DESC, session_id, tenant_name
