-- Which conversations were there? One page of them, the newest first; matching says how many there are on all pages.
-- A session's requests are those of the window and of the search; its name may be used by two tenants.
-- First which sessions stand on the page, by the columns that order them and a hash for their names, then the rest of those:
-- most sessions are on no page.
WITH
    -- condition: hits
    SessionId != '' AS is_of_session,
    (
        SELECT groupArray((session, matching))
        FROM
        (
            SELECT cityHash64(SessionId, Tenant) AS session, count() OVER () AS matching
            FROM requests
            WHERE is_of_session AND
                -- include: matching_requests.sql
            GROUP BY session
            ORDER BY max(toUnixTimestamp64Milli(Timestamp) + DurationMs) DESC, session
            LIMIT {limit:UInt32} OFFSET {offset:UInt32}
        )
    ) AS page
SELECT
    SessionId AS session_id,
    toString(Tenant) AS tenant_name,
    page.2[1] AS matching,
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
WHERE cityHash64(SessionId, Tenant) IN (page.1) AND
    -- include: matching_requests.sql
GROUP BY session_id, tenant_name
ORDER BY last_ms DESC, indexOf(page.1, cityHash64(session_id, tenant_name))
