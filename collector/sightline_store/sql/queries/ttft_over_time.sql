-- Where did the time to first token go, stage by stage? bucket_s = 0 answers for the whole window, else a bucket.
-- Every instant between a request's start and its first token delivered belongs to one stage, so the parts sum to the time
-- to first token. Back from the first token, the path steps to the stage that had ended last when the one after it began:
-- of parallel searches the one that was waited for counts. A span's time inside its children is theirs (the deepest
-- wins). A model call counts whole, the one that answered up to its first chunk. What was still running at the first token
-- was not waited for: it gets only what nothing else explains. 'delivery' is what follows the first chunk and no stage
-- covers: buffering, the framework, the way to the user. 'rest' is what no stage covers before it.
-- Spans are clipped to the request and to the beginning of the span that they are inside of; `skewed` counts those that
-- began more than 1 ms before it, as clocks of two machines can have it.
-- Percentiles of parts do not sum; median_ms and slow_ms do: means over the requests around the median (40th to 60th
-- percentile) and around the 95th (90th to 99th). Of more than max_requests one in `sampled` is read, chosen by trace id,
-- and *_se_ms is the standard error that this brings (0 where all were read). Requests with more than 500 stage spans before
-- their first token are left out: `left_out` counts them. `untold` requests of the window told no time to first token.
WITH
    (
        SELECT (toUInt32(greatest(1, ceil(count(TtftMs) / {max_requests:UInt32}))), count() - count(TtftMs)) FROM requests
        WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
            AND ({tenant:String} = '' OR Tenant = {tenant:String})
            AND ({route:String} = '' OR Route = {route:String})
    ) AS counted,
    counted.1 AS one_in,
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
            WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
                AND TtftMs > 0
                AND TraceHash % one_in = 0
                AND ({tenant:String} = '' OR Tenant = {tenant:String})
                AND ({route:String} = '' OR Route = {route:String})
                AND ({model:String} = '' OR TraceHash IN (
                    SELECT TraceHash FROM llm_calls
                    WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')} + INTERVAL 1 HOUR
                        AND {model:String} != '' AND (ResponseModel = {model:String} OR (ResponseModel = '' AND RequestModel = {model:String}))))
            ORDER BY Timestamp
            LIMIT 1 BY TraceHash
        ) AS r ON s.trace_id = r.trace_id
        GROUP BY r.trace_id
    ),
    -- The rule of attribution: the same text in ttft_trace.sql and ttft_over_time.sql. Times are ms from the request's start.
    ['guard', 'cache', 'embed', 'search', 'rerank', 'prompt', 'queue', 'model', 'delivery', 'tool', 'agent', 'rest'] AS stage_names,
    ['guard', 'cache', 'embed', 'search', 'rerank', 'prompt', 'queue', 'model'] AS leaves,
    timed AS
    (
        SELECT *, length(spans) > 500 AS too_long, arrayFilter(s -> s.start < horizon AND s.end > 0, arrayMap(
            s -> ((s.1, (s.2 - start_ns) / 1e6, (s.2 - start_ns) / 1e6 + s.3, s.4, s.5, s.6)
                ::Tuple(stage String, start Float64, end Float64, chunk Nullable(Float64), id String, parent String)),
            if(too_long, [], spans))) AS told
        FROM asked
    ),
    -- The model call that answered is the one whose first chunk came last before the horizon. What hangs off a span that is
    -- no stage belongs to the shortest agent, tool or the like that holds it in time.
    related AS
    (
        SELECT
            *,
            arraySort(m -> (m.start + ifNull(m.chunk, 0) > horizon + 1, -m.start - ifNull(m.chunk, 0), m.id),
                arrayFilter(s -> s.stage = 'model', told))[1] AS answer,
            if(to_first_token AND answer.id != '' AND isNotNull(answer.chunk),
                least(horizon, answer.start + assumeNotNull(answer.chunk)), horizon) AS answered,
            arrayMap(
                s -> if(s.parent IN ('', request_id) OR has(told.id, s.parent), s.parent, arraySort(
                    c -> (c.end - c.start, c.id),
                    arrayFilter(
                        c -> NOT has(leaves, c.stage) AND c.start <= s.start AND c.end >= s.end
                            AND c.end - c.start > s.end - s.start AND c.parent != s.parent,
                        told))[1].id),
                told) AS parents
        FROM timed
    ),
    -- Clipped to the request, to the horizon, and to the beginning of the span that it is inside of.
    clamped AS
    (
        SELECT
            *,
            arrayCount(
                (s, p) -> s.start < -1 OR (has(told.id, p) AND s.start < told.start[indexOf(told.id, p)] - 1),
                told, parents) AS skewed,
            arrayFilter(s -> s.b > s.a, arrayMap(
                (s, p) -> ((
                        s.stage, greatest(0., s.start, told.start[indexOf(told.id, p)]),
                        least(horizon, if(s.id = answer.id AND answered < horizon, answered, s.end)),
                        s.id = answer.id OR s.end <= horizon, s.id, p)
                    ::Tuple(stage String, a Float64, b Float64, closed Bool, id String, parent String)),
                told, parents)) AS clipped
        FROM related
    ),
    -- A span's own time is what none of its children covers.
    owned AS
    (
        SELECT * EXCEPT (clipped), arrayFlatten(arrayMap(
            o -> arrayMap(
                x -> ((o.1.stage, x, arrayMin(arrayPushBack(arrayFilter(k -> k > x, o.2.1), o.1.b)), o.1.closed, o.1.b, o.1.id)
                    ::Tuple(stage String, a Float64, b Float64, closed Bool, end Float64, id String)),
                arrayFilter(
                    x -> x >= o.1.a AND x < o.1.b AND NOT arrayExists(k -> k.1 <= x AND x < k.2, o.2),
                    arrayDistinct(arrayPushFront(o.2.2, o.1.a)))),
            arrayMap(
                s -> (s, arrayMap(k -> (k.a, k.b), arrayFilter(k -> k.parent = s.id AND k.id != s.id, clipped))),
                clipped))) AS pieces
        FROM clamped
    ),
    -- Back from the horizon: the path steps to the piece that had ended last when the one after it began.
    walked AS
    (
        SELECT *, arrayFold(
            (path, s) -> if(s.b <= path.1, (s.a, arrayPushBack(path.2, (s.stage, s.a, s.b, s.id))), path),
            arraySort(s -> (-s.b, -s.a, s.id), arrayFilter(s -> s.closed OR s.b < s.end, pieces)),
            (horizon, []::Array(Tuple(String, Float64, Float64, String)))).2 AS path
        FROM owned
    ),
    -- What the path leaves open goes to what was running then, the last to end.
    gaps AS
    (
        SELECT *, arrayMap(
            g -> (g.3, arraySort(arrayDistinct(arrayFilter(
                x -> x >= g.1 AND x <= g.2, arrayConcat([g.1, g.2, answered], g.3.a, g.3.b))))),
            arrayMap(
                (a, b) -> (a, b, arrayFilter(s -> s.a < b AND s.b > a, pieces)),
                arrayPushBack(path.3, 0.), arrayPushFront(path.2, horizon))) AS open
        FROM walked
    ),
    divided AS
    (
        SELECT * EXCEPT (pieces, path, open), arrayConcat(
            arrayMap(p -> (if(has(stage_names, p.1), p.1, 'rest'), p.2, p.3, p.4), path),
            arrayMap(
                f -> (
                    multiIf(
                        f.1 >= answered AND NOT has(leaves, f.3.stage) AND NOT f.3.closed, 'delivery',
                        has(stage_names, f.3.stage), f.3.stage,
                        'rest'),
                    f.1, f.2, f.3.id),
                arrayFlatten(arrayMap(
                    g -> arrayMap(
                        (x, y) -> (x, y, arraySort(
                            s -> (NOT s.closed, -s.b, -s.a, s.id), arrayFilter(s -> s.a <= x AND s.b >= y, g.1))[1]),
                        arrayPopBack(g.2), arrayPopFront(g.2)),
                    open)))) AS parts
        FROM gaps
    )
    -- End of the rule.
SELECT
    bucket,
    stage,
    count() AS n,
    countIf(horizon BETWEEN bounds[1] AND bounds[2]) AS median_n,
    countIf(horizon BETWEEN bounds[3] AND bounds[4]) AS slow_n,
    avg(part) AS mean_ms,
    quantileExact(0.5)(part) AS p50_ms,
    quantileExact(0.95)(part) AS p95_ms,
    avgIf(part, horizon BETWEEN bounds[1] AND bounds[2]) AS median_ms,
    avgIf(part, horizon BETWEEN bounds[3] AND bounds[4]) AS slow_ms,
    if(sampled = 1, 0, stddevSampStable(part) / sqrt(n) * sqrt(1 - 1 / sampled)) AS mean_se_ms,
    if(sampled = 1, 0, stddevSampStableIf(part, horizon BETWEEN bounds[1] AND bounds[2]) / sqrt(median_n) * sqrt(1 - 1 / sampled)) AS median_se_ms,
    if(sampled = 1, 0, stddevSampStableIf(part, horizon BETWEEN bounds[3] AND bounds[4]) / sqrt(slow_n) * sqrt(1 - 1 / sampled)) AS slow_se_ms,
    countIf(skewed > 0) AS skewed_n,
    any(counts.1) AS sampled,
    any(too_long_n) AS left_out,
    any(counts.2) AS untold
FROM
(
    SELECT
        bucket, horizon, too_long, skewed, counted AS counts,
        arrayMap(name -> arraySum(p -> if(p.1 = name, p.3 - p.2, 0.), parts), stage_names) AS sums,
        quantilesExact(0.4, 0.6, 0.9, 0.99)(horizon) OVER (PARTITION BY bucket, too_long) AS bounds,
        sum(too_long) OVER () AS too_long_n
    FROM divided
)
ARRAY JOIN stage_names AS stage, sums AS part
WHERE NOT too_long
GROUP BY bucket, stage
ORDER BY bucket, indexOf(stage_names, stage)
