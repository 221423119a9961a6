-- Where did the time to first token go, stage by stage? bucket_s = 0 answers for the whole window, else a bucket.
-- Every instant of a request before its first token belongs to one stage: among the stage spans open at that instant, those
-- with an open child step back for it, and of parallel ones the last to end counts, since the first token waited for it.
-- A model call counts up to its first chunk. What no stage covers is 'rest'. So the parts of a request sum to its TTFT.
-- Percentiles of parts do not sum; median_ms and slow_ms do: means over the requests around the median TTFT (40th to 60th
-- percentile) and around the 95th (90th to 99th). Requests with more than 500 stage spans are left out: `left_out` counts
-- them. Of more than max_requests, one in `sampled` is read, chosen by trace id.
WITH
    ['guard', 'cache', 'embed', 'search', 'rerank', 'prompt', 'queue', 'model', 'tool', 'agent', 'rest'] AS stage_names,
    (
        SELECT toUInt32(greatest(1, ceil(count(TtftMs) / {max_requests:UInt32}))) FROM requests
        WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
            AND ({tenant:String} = '' OR Tenant = {tenant:String})
            AND ({route:String} = '' OR Route = {route:String})
    ) AS one_in
SELECT
    bucket,
    stage,
    count() AS n,
    countIf(ttft BETWEEN bounds[1] AND bounds[2]) AS median_n,
    countIf(ttft BETWEEN bounds[3] AND bounds[4]) AS slow_n,
    avg(part) AS mean_ms,
    quantileExact(0.5)(part) AS p50_ms,
    quantileExact(0.95)(part) AS p95_ms,
    avgIf(part, ttft BETWEEN bounds[1] AND bounds[2]) AS median_ms,
    avgIf(part, ttft BETWEEN bounds[3] AND bounds[4]) AS slow_ms,
    any(one_in) AS sampled,
    any(too_long_n) AS left_out
FROM
(
    SELECT
        bucket, ttft, parts, too_long,
        quantilesExact(0.4, 0.6, 0.9, 0.99)(ttft) OVER (PARTITION BY bucket, too_long) AS bounds,
        sum(too_long) OVER () AS too_long_n
    FROM
    (
        WITH
            length(spans) > 500 AS too_long,
            arrayFilter(x -> x.3 > x.2, arrayMap(
                s -> (if(has(stage_names, s.1), s.1, 'rest'), greatest(0., (s.2 - start_ns) / 1e6), least(ttft, (s.2 - start_ns) / 1e6 + s.3), s.4, s.5), if(too_long, [], spans))) AS clipped,
            arraySort(arrayDistinct(arrayConcat([0., ttft], clipped.2, clipped.3))) AS edges,
            arrayMap((a, b) -> (arrayFilter(x -> x.2 <= a AND x.3 >= b, clipped), b - a), arrayPopBack(edges), arrayPopFront(edges)) AS slices,
            arrayMap(
                o -> (if(empty(o.1), 'rest', arraySort(x -> (has(o.1.5, x.4), -x.3, -x.2), o.1)[1].1), o.2), slices) AS owned
        SELECT
            bucket, ttft, too_long,
            arrayMap(name -> arraySum(arrayMap(o -> if(o.1 = name, o.2, 0.), owned)), stage_names) AS parts
        FROM
        (
            SELECT
                TraceId,
                if({bucket_s:UInt32} = 0, 0, intDiv(toUnixTimestamp(Timestamp), greatest({bucket_s:UInt32}, 1)) * {bucket_s:UInt32}) AS bucket,
                toUnixTimestamp64Nano(Timestamp) AS start_ns,
                assumeNotNull(TtftMs) AS ttft
            FROM requests
            WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
                AND TtftMs > 0
                AND (one_in = 1 OR cityHash64(TraceId) % one_in = 0)
                AND ({tenant:String} = '' OR Tenant = {tenant:String})
                AND ({route:String} = '' OR Route = {route:String})
                AND ({model:String} = '' OR TraceId IN (
                    SELECT TraceId FROM llm_calls
                    WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')} + INTERVAL 1 HOUR
                        AND {model:String} != '' AND if(ResponseModel != '', ResponseModel, RequestModel) = {model:String}))
            ORDER BY Timestamp
            LIMIT 1 BY TraceId
        ) AS r
        LEFT JOIN
        (
            SELECT
                TraceId,
                groupArray(501)((
                    toString(Stage), toUnixTimestamp64Nano(Timestamp),
                    if(Stage = 'model', ifNull(TtftMs, DurationMs), DurationMs), SpanId, ParentSpanId)) AS spans
            FROM stages
            WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')} + INTERVAL 1 HOUR
                AND (one_in = 1 OR cityHash64(TraceId) % one_in = 0)
                AND ({tenant:String} = '' OR Tenant = {tenant:String})
            GROUP BY TraceId
        ) AS s USING (TraceId)
    )
)
ARRAY JOIN stage_names AS stage, parts AS part
WHERE NOT too_long
GROUP BY bucket, stage
ORDER BY bucket, indexOf(stage_names, stage)
