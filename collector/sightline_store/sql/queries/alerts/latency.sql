-- How long did requests take in each bucket, as a histogram whose bins can be added up? Bin k holds times of 1.01^k to 1.01^(k+1) ms.
-- Times to first token (duration = 'ttft') are those of the definition that most requests of the window have, of equals the
-- most exact; duration = 'total' is the whole request.
SELECT bucket, arraySort(groupArray((bin, n))) AS pairs, pairs.1 AS bins, pairs.2 AS counts
FROM
(
    SELECT
        -- include: alert_bucket.sql
        AS bucket,
        toInt32(floor(log(greatest(assumeNotNull(if({duration:String} = 'total', DurationMs, TtftMs)), 0.001)) / log(1.01))) AS bin,
        count() AS n
    FROM requests
    WHERE
        -- include: of_requests.sql
        AND ({service:String} = '' OR ServiceName = {service:String})
        AND ({duration:String} = 'total' OR TtftMs IS NOT NULL AND TtftDefinition IN (
            SELECT toString(TtftDefinition)
            FROM requests
            WHERE
                -- include: of_requests.sql
                AND ({service:String} = '' OR ServiceName = {service:String}) AND TtftMs IS NOT NULL
            GROUP BY TtftDefinition
            ORDER BY count() DESC, indexOf(['delivered', 'first_token', 'first_chunk'], toString(TtftDefinition))
            LIMIT 1))
    GROUP BY bucket, bin
)
GROUP BY bucket
ORDER BY bucket
