-- Which passages do searches return most, and where do they rank? The share is of the searches that
-- returned anything. Passages without an id cannot be told from each other and are not here.
-- First which passages these are, then the search that found each last: ids of traces are long, and most are of none of these.
WITH
    (
        SELECT groupArray((document_id, hits, share, mean_rank, mean_score, found))
        FROM
        (
            SELECT
                document_id,
                count() AS hits,
                hits / sum(countIf(rank = 1)) OVER () AS share,
                avg(rank) AS mean_rank,
                avgOrNull(score) AS mean_score,
                max(Timestamp) AS found
            FROM
            (
                SELECT Timestamp, DocumentIds, Scores
                FROM retrievals
                WHERE
                    -- include: of_stages.sql
            )
            ARRAY JOIN DocumentIds AS document_id, Scores AS score, arrayEnumerate(DocumentIds) AS rank
            WHERE document_id != ''
            GROUP BY document_id
            ORDER BY hits DESC, document_id
            LIMIT {limit:UInt32}
        )
    ) AS passages
SELECT
    passage.1 AS document_id, passage.2 AS hits, passage.3 AS share, passage.4 AS mean_rank, passage.5 AS mean_score, trace_id,
    toUnixTimestamp64Milli(passage.6) AS found_ms
FROM
(
    SELECT arrayJoin(passages) AS passage
) AS p
INNER JOIN
(
    SELECT document_id, Timestamp AS found, any(TraceId) AS trace_id
    FROM retrievals
    ARRAY JOIN DocumentIds AS document_id
    WHERE toStartOfFiveMinutes(Timestamp) IN (SELECT toStartOfFiveMinutes(arrayJoin(passages).6))
        AND Timestamp IN (SELECT arrayJoin(passages).6) AND document_id IN (SELECT arrayJoin(passages).1)
        AND ({tenant:String} = '' OR Tenant = {tenant:String})
    GROUP BY document_id, found
) AS s ON passage.1 = s.document_id AND passage.6 = s.found
ORDER BY hits DESC, document_id
