-- Which passages do searches return most, and where do they rank? The share is of the searches that
-- returned anything. Passages without an id cannot be told from each other and are not here.
SELECT
    document_id,
    count() AS hits,
    hits / sum(countIf(rank = 1)) OVER () AS share,
    avg(rank) AS mean_rank,
    avgOrNull(score) AS mean_score,
    argMax(TraceId, Timestamp) AS trace_id,
    toUnixTimestamp64Milli(max(Timestamp)) AS found_ms
FROM
(
    SELECT TraceId, Timestamp, DocumentIds, Scores
    FROM retrievals
    WHERE
        -- include: of_stages.sql
)
ARRAY JOIN DocumentIds AS document_id, Scores AS score, arrayEnumerate(DocumentIds) AS rank
WHERE document_id != ''
GROUP BY document_id
ORDER BY hits DESC, document_id
LIMIT {limit:UInt32}
