-- How far is each token budget spent, a bucket? Of spans that say it (sightline.budget.*): the last word of each bucket.
SELECT
    intDiv(toUnixTimestamp(at), {bucket_s:UInt32}) * {bucket_s:UInt32} AS bucket,
    owner,
    name,
    argMax(allowed, at) AS token_limit,
    argMax(spent, at) AS used_tokens,
    toUnixTimestamp64Milli(max(at)) AS told_ms
FROM
(
    SELECT
        Timestamp + toIntervalNanosecond(Duration) AS at,
        JSONExtract(SpanAttributes['sightline.budget.owner'], 'Array(String)') AS owners,
        JSONExtract(SpanAttributes['sightline.budget.name'], 'Array(String)') AS names,
        JSONExtract(SpanAttributes['sightline.budget.limit'], 'Array(Int64)') AS limits,
        JSONExtract(SpanAttributes['sightline.budget.used'], 'Array(Int64)') AS uses
    FROM otel_traces
    WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
        AND mapContains(SpanAttributes, 'sightline.budget.used')
        AND ({tenant:String} = '' OR TraceId IN (
            SELECT TraceId FROM requests
            WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')} AND Tenant = {tenant:String}))
)
ARRAY JOIN owners AS owner, arrayResize(names, length(owners)) AS name, arrayResize(limits, length(owners)) AS allowed, arrayResize(uses, length(owners)) AS spent
WHERE allowed > 0
GROUP BY bucket, owner, name
ORDER BY bucket, owner, name
LIMIT 20000
