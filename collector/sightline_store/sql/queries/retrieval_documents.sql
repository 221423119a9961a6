-- Which passages are found most, and where do they rank? The share is of the searches that found anything.
SELECT
    document_id,
    count() AS hits,
    hits / sum(countIf(rank = 1)) OVER () AS share,
    avg(rank) AS mean_rank,
    avgOrNull(score) AS mean_score,
    argMax(TraceId, Timestamp) AS trace_id
FROM
(
    SELECT TraceId, Timestamp, DocumentIds, Scores
    FROM retrievals
    WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
        AND ({tenant:String} = '' OR Tenant = {tenant:String})
        AND ({route:String} = '' OR TraceHash IN (
            SELECT TraceHash FROM requests
            WHERE Timestamp >= {from:DateTime64(3, 'UTC')} - INTERVAL 1 HOUR AND Timestamp < {to:DateTime64(3, 'UTC')}
                AND {route:String} != '' AND Route = {route:String}))
        AND ({model:String} = '' OR TraceHash IN (
            SELECT TraceHash FROM llm_calls
            WHERE Timestamp >= {from:DateTime64(3, 'UTC')} - INTERVAL 1 HOUR AND Timestamp < {to:DateTime64(3, 'UTC')} + INTERVAL 1 HOUR
                AND {model:String} != '' AND (ResponseModel = {model:String} OR (ResponseModel = '' AND RequestModel = {model:String}))))
)
ARRAY JOIN DocumentIds AS document_id, Scores AS score, arrayEnumerate(DocumentIds) AS rank
GROUP BY document_id
ORDER BY hits DESC, document_id
LIMIT {limit:UInt32}
