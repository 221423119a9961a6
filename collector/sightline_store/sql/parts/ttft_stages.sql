-- Where the time to first token went, stage by stage, of the requests that were `counted`: the definition that most of them have and
-- how many do (ttft_n), how many have another one (ttft_others) and how many there are (requests).
SELECT
    bucket,
    stage,
    count() AS n,
    countIf(is_median) AS median_n,
    countIf(is_slow) AS slow_n,
    avg(part) AS mean_ms,
    quantileExact(0.5)(part) AS p50_ms,
    quantileExact(0.95)(part) AS p95_ms,
    avgIf(part, is_median) AS median_ms,
    avgIf(part, is_slow) AS slow_ms,
    if(sampled = 1, 0, stddevSampStable(part) / sqrt(n) * sqrt(1 - 1 / sampled)) AS mean_se_ms,
    if(sampled = 1, 0, stddevSampStableIf(part, is_median) / sqrt(median_n) * sqrt(1 - 1 / sampled)) AS median_se_ms,
    if(sampled = 1, 0, stddevSampStableIf(part, is_slow) / sqrt(slow_n) * sqrt(1 - 1 / sampled)) AS slow_se_ms,
    countIf(skewed > 0) AS skewed_n,
    any(one_in) AS sampled,
    any(too_long_n) AS left_out,
    any(untold_n) AS untold,
    any(definition) AS ttft_definition,
    any(others_n) AS ttft_others
FROM
(
    WITH
    toUInt32(exp2(ceil(log2(greatest(1, counted.ttft_n / {max_requests:UInt32}))))) AS one_in,
    asked AS
    (
        SELECT
            true AS to_first_token,
            any(r.bucket) AS bucket,
            any(r.request_id) AS request_id,
            any(r.start_ns) AS start_ns,
            any(r.horizon) AS horizon,
            groupArrayIf(501)(
                (s.stage, s.start_ns, s.duration_ms, s.chunk_ms, s.span_id, s.parent_id),
                s.stage != '' AND s.span_id != r.request_id AND s.start_ns < r.start_ns + r.horizon * 1e6
                    AND s.start_ns + s.duration_ms * 1e6 > r.start_ns) AS spans
        FROM
        (
            SELECT
                TraceHash AS trace_id, toString(Stage) AS stage, toUnixTimestamp64Nano(Timestamp) AS start_ns,
                DurationMs AS duration_ms, TtftMs AS chunk_ms, SpanId AS span_id, ParentSpanId AS parent_id
            FROM stages
            WHERE Timestamp >= {from:DateTime64(3, 'UTC')} - INTERVAL 1 MINUTE
                AND Timestamp < {to:DateTime64(3, 'UTC')} + INTERVAL 1 HOUR
                AND Sample >= (one_in >= 16) + (one_in >= 256)
                AND TraceHash % one_in = 0
                AND ({tenant:String} = '' OR Tenant IN ({tenant:String}, ''))
        ) AS s
        RIGHT JOIN
        (
            SELECT
                TraceHash AS trace_id,
                SpanId AS request_id,
                if({bucket_s:UInt32} = 0, 0, intDiv(toUnixTimestamp(Timestamp), greatest({bucket_s:UInt32}, 1)) * {bucket_s:UInt32}) AS bucket,
                toUnixTimestamp64Nano(Timestamp) AS start_ns,
                assumeNotNull(TtftMs) AS horizon
            FROM requests
            PREWHERE TraceHash % one_in = 0
            WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
                AND TtftMs > 0 AND TtftDefinition = counted.ttft_definition
                AND ({tenant:String} = '' OR Tenant = {tenant:String})
                AND ({route:String} = '' OR Route = {route:String})
                AND ({model:String} = '' OR TraceHash IN (
                    SELECT TraceHash FROM llm_calls
                    PREWHERE TraceHash % one_in = 0
                    WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')} + INTERVAL 1 HOUR
                        AND {model:String} != '' AND (ResponseModel = {model:String} OR (ResponseModel = '' AND RequestModel = {model:String}))))
            ORDER BY Timestamp
            LIMIT 1 BY TraceHash
        ) AS r ON s.trace_id = r.trace_id
        GROUP BY r.trace_id
    ),
    -- include: ttft_rule.sql
    SELECT
        bucket, too_long, skewed, one_in, counted.requests - counted.ttft_n - counted.ttft_others AS untold_n, counted.ttft_definition AS definition, counted.ttft_others AS others_n, stage_names,
        arrayMap(name -> arraySum(p -> if(p.1 = name, p.3 - p.2, 0.), parts), stage_names) AS sums,
        quantilesExact(0.4, 0.6, 0.9, 0.99)(horizon) OVER (PARTITION BY bucket, too_long) AS bounds,
        horizon BETWEEN bounds[1] AND bounds[2] AS is_median,
        horizon BETWEEN bounds[3] AND bounds[4] AS is_slow,
        sum(too_long) OVER () AS too_long_n
    FROM divided
)
ARRAY JOIN stage_names AS stage, sums AS part, arrayEnumerate(sums) AS place
WHERE NOT too_long
GROUP BY bucket, stage
ORDER BY bucket, any(place)
