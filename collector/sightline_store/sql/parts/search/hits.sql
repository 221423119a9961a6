-- What the raw spans of the newest requests say, in one pass: a request's hash, and a number with a bit a term that one of its
-- spans holds. Bit 0 is set of every request that was read. Of a tenant's traces, spans that another tenant sent are not read.
(
    SELECT groupArray((hash, found))
    FROM
    (
        SELECT hash, groupBitOr(mask) AS found
        FROM
        (
            SELECT TraceHash AS hash, toUInt16(1) AS mask
            FROM
            (
                -- condition: read
            )
            UNION ALL
            SELECT cityHash64(TraceId) AS hash, toUInt16(0
                -- condition: masks
                ) AS mask
            FROM otel_traces
            WHERE Timestamp >= greatest({from:DateTime64(3, 'UTC')}, (SELECT min(Timestamp) FROM (
                    -- condition: read
                ))) - INTERVAL 5 MINUTE
                AND Timestamp < {to:DateTime64(3, 'UTC')} + INTERVAL 1 HOUR
                AND ({tenant:String} = '' OR ResourceAttributes['sightline.tenant'] IN ('', {tenant:String}))
                AND hash IN (SELECT TraceHash FROM (
                    -- condition: read
                ))
        )
        GROUP BY hash
    )
) AS search_hits,
