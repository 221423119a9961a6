    -- The rule of attribution: asked (a request a row) becomes divided, whose parts sum to horizon. Times are ms from its start.
    -- Every instant between a request's start and its first token delivered belongs to one stage, so the parts sum to the
    -- time to first token. Back from the first token, the path steps to the stage that had ended last when the one after it
    -- began: of parallel searches the one that was waited for counts. A span's time inside its children is theirs (the
    -- deepest wins). A model call counts whole, the one that answered up to its first chunk. What was still running at the
    -- first token was not waited for: it gets only what nothing else explains. 'delivery' is what follows the first chunk
    -- and no stage covers: buffering, the framework, the way to the user. 'rest' is what no stage covers before it.
    -- Spans are clipped to the request and to the beginning of the span that they are inside of; `skewed` counts those that
    -- began more than 1 ms before it, as clocks of two machines can have it.
    ['guard', 'cache', 'embed', 'search', 'rerank', 'prompt', 'queue', 'model', 'delivery', 'tool', 'agent', 'rest'] AS stage_names,
    ['guard', 'cache', 'embed', 'search', 'rerank', 'prompt', 'queue', 'model'] AS leaves,
    timed AS
    (
        SELECT *, length(spans) > 500 AS too_long, arrayFilter(s -> s.start < horizon AND s.end > 0, arrayMap(
            s -> ((s.1, (s.2 - start_ns) / 1e6, (s.2 - start_ns) / 1e6 + s.3, s.4, s.5, s.6)
                ::Tuple(stage String, start Float64, end Float64, chunk Nullable(Float64), id String, parent String)),
            if(too_long, [], spans))) AS stage_spans
        FROM asked
    ),
    -- The model call that answered is the one whose first chunk came last before the horizon. What hangs off a span that is
    -- no stage belongs to the shortest agent, tool or the like that holds it in time.
    related AS
    (
        SELECT
            *,
            arraySort(m -> (m.start + ifNull(m.chunk, 0) > horizon + 1, -m.start - ifNull(m.chunk, 0), m.id),
                arrayFilter(s -> s.stage = 'model', stage_spans))[1] AS answer,
            if(to_first_token AND answer.id != '' AND isNotNull(answer.chunk),
                least(horizon, answer.start + assumeNotNull(answer.chunk)), horizon) AS answered,
            arrayMap(
                s -> if(s.parent IN ('', request_id) OR has(stage_spans.id, s.parent), s.parent, arraySort(
                    c -> (c.end - c.start, c.id),
                    arrayFilter(
                        c -> NOT has(leaves, c.stage) AND c.start <= s.start AND c.end >= s.end
                            AND c.end - c.start > s.end - s.start AND c.parent != s.parent,
                        stage_spans))[1].id),
                stage_spans) AS parents
        FROM timed
    ),
    -- Clipped to the request, to the horizon, and to the beginning of the span that it is inside of.
    clamped AS
    (
        SELECT
            *,
            arrayCount(
                (s, p) -> s.start < -1 OR (has(stage_spans.id, p) AND s.start < stage_spans.start[indexOf(stage_spans.id, p)] - 1),
                stage_spans, parents) AS skewed,
            arrayFilter(s -> s.b > s.a, arrayMap(
                (s, p) -> ((
                        s.stage, greatest(0., s.start, stage_spans.start[indexOf(stage_spans.id, p)]),
                        least(horizon, if(s.id = answer.id AND answered < horizon, answered, s.end)),
                        s.id = answer.id OR s.end <= horizon, s.id, p)
                    ::Tuple(stage String, a Float64, b Float64, closed Bool, id String, parent String)),
                stage_spans, parents)) AS clipped
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
