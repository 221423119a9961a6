-- Which passages are found most, and where do they rank? The share is of the searches that found anything.
SELECT
    document_id,
    count() AS hits,
    count() / any(total) AS share,
    avg(rank) AS mean_rank,
    quantileExactOrNull(0.5)(score) AS score_p50,
    argMax(TraceId, Timestamp) AS trace_id
FROM
(
    SELECT TraceId, Timestamp, document_id, score, rank, count() OVER () AS rows, uniqExact(SpanId) OVER () AS total
    FROM retrievals
    ARRAY JOIN DocumentIds AS document_id, Scores AS score, arrayEnumerate(DocumentIds) AS rank
    WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
        AND ({tenant:String} = '' OR Tenant = {tenant:String})
        AND ({route:String} = '' OR TraceId IN (
            SELECT TraceId FROM requests
            WHERE Timestamp >= {from:DateTime64(3, 'UTC')} - INTERVAL 1 HOUR AND Timestamp < {to:DateTime64(3, 'UTC')}
                AND {route:String} != '' AND Route = {route:String}))
        AND ({model:String} = '' OR TraceId IN (
            SELECT TraceId FROM llm_calls
            WHERE Timestamp >= {from:DateTime64(3, 'UTC')} - INTERVAL 1 HOUR AND Timestamp < {to:DateTime64(3, 'UTC')} + INTERVAL 1 HOUR
                AND {model:String} != '' AND if(ResponseModel != '', ResponseModel, RequestModel) = {model:String}))
)
GROUP BY document_id
ORDER BY hits DESC, document_id
LIMIT {limit:UInt32}
