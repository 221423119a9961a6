-- Which passages are found most, and where do they rank? The share is of the searches that found anything.
WITH
    found AS
    (
        SELECT TraceId, Timestamp, DocumentIds, Scores
        FROM retrievals
        WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
            AND notEmpty(DocumentIds)
            AND ({tenant:String} = '' OR Tenant = {tenant:String})
            AND ({route:String} = '' OR TraceHash IN (
                SELECT TraceHash FROM requests
                WHERE Timestamp >= {from:DateTime64(3, 'UTC')} - INTERVAL 1 HOUR AND Timestamp < {to:DateTime64(3, 'UTC')}
                    AND {route:String} != '' AND Route = {route:String}))
            AND ({model:String} = '' OR TraceHash IN (
                SELECT TraceHash FROM llm_calls
                WHERE Timestamp >= {from:DateTime64(3, 'UTC')} - INTERVAL 1 HOUR AND Timestamp < {to:DateTime64(3, 'UTC')} + INTERVAL 1 HOUR
                    AND {model:String} != '' AND (ResponseModel = {model:String} OR (ResponseModel = '' AND RequestModel = {model:String}))))
    ),
    (SELECT count() FROM found) AS searches
SELECT
    document_id,
    count() AS hits,
    count() / searches AS share,
    avg(rank) AS mean_rank,
    quantileExactOrNull(0.5)(score) AS score_p50,
    argMax(TraceId, Timestamp) AS trace_id
FROM found
ARRAY JOIN DocumentIds AS document_id, Scores AS score, arrayEnumerate(DocumentIds) AS rank
GROUP BY document_id
ORDER BY hits DESC, document_id
LIMIT {limit:UInt32}
