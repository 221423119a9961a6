-- Which requests were there? One page of them, sorted by time, ttft, total, cost or faithfulness, with what each spent and scored.
-- search: a trace id or its beginning, or part of a session or user id. cost_usd is NULL where any of its calls has no price.
-- First the traces that can stand on the page, by what they are sorted by alone; then all that is told of those few, whose
-- five minutes are known (a call counts that began up to five minutes before its request and up to an hour after it). Sorted by cost, the dearest come from the calls; behind them come requests without a known cost,
-- the newest first.
WITH
    {limit:UInt32} + {offset:UInt32} AS wanted,
    if({descending:UInt8} = 1, -1, 1) AS direction,
    -- What the requests of the page must meet; its size, and where the page's traces are in time.
    (
        SELECT count() FROM requests
        WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
            AND ({tenant:String} = '' OR Tenant = {tenant:String})
            AND ({route:String} = '' OR Route = {route:String})
            AND ({model:String} = '' OR TraceHash IN (
                SELECT TraceHash FROM llm_calls
                WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')} + INTERVAL 1 HOUR
                    AND {model:String} != '' AND (ResponseModel = {model:String} OR (ResponseModel = '' AND RequestModel = {model:String}))))
            AND ({search:String} = '' OR startsWith(TraceId, lower({search:String}))
                OR positionCaseInsensitiveUTF8(SessionId, {search:String}) > 0 OR positionCaseInsensitiveUTF8(UserId, {search:String}) > 0)
            AND ({only_errors:UInt8} = 0 OR StatusCode = 'Error' OR HttpStatus >= 500)
            AND ({sort:String} != 'faithfulness' OR TraceHash IN (
                SELECT TraceHash FROM scores
                WHERE {sort:String} = 'faithfulness' AND Timestamp >= {from:DateTime64(3, 'UTC')} AND Name = 'faithfulness'
                GROUP BY TraceHash HAVING tupleElement(argMax(tuple(Value), Timestamp), 1) IS NOT NULL))
    ) AS matching_requests,
    (
        SELECT groupUniqArray((toStartOfFiveMinutes(seen), trace_hash))
        FROM
        (
            SELECT TraceHash AS trace_hash, Timestamp AS seen
            FROM requests
            WHERE {sort:String} IN ('time', 'ttft', 'total')
                AND Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
                AND ({tenant:String} = '' OR Tenant = {tenant:String})
                AND ({route:String} = '' OR Route = {route:String})
                AND ({model:String} = '' OR TraceHash IN (
                    SELECT TraceHash FROM llm_calls
                    WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')} + INTERVAL 1 HOUR
                        AND {model:String} != '' AND (ResponseModel = {model:String} OR (ResponseModel = '' AND RequestModel = {model:String}))))
                AND ({search:String} = '' OR startsWith(TraceId, lower({search:String}))
                    OR positionCaseInsensitiveUTF8(SessionId, {search:String}) > 0 OR positionCaseInsensitiveUTF8(UserId, {search:String}) > 0)
                AND ({only_errors:UInt8} = 0 OR StatusCode = 'Error' OR HttpStatus >= 500)
            ORDER BY multiIf({sort:String} = 'ttft', TtftMs, {sort:String} = 'total', DurationMs, toFloat64(toUnixTimestamp64Milli(Timestamp))) * direction ASC NULLS LAST,
                toUnixTimestamp64Milli(Timestamp) DESC, TraceHash
            LIMIT wanted
            UNION ALL
            SELECT TraceHash, Timestamp
            FROM requests
            WHERE {sort:String} = 'cost'
                AND Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
                AND ({tenant:String} = '' OR Tenant = {tenant:String})
                AND ({route:String} = '' OR Route = {route:String})
                AND ({model:String} = '' OR TraceHash IN (
                    SELECT TraceHash FROM llm_calls
                    WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')} + INTERVAL 1 HOUR
                        AND {model:String} != '' AND (ResponseModel = {model:String} OR (ResponseModel = '' AND RequestModel = {model:String}))))
                AND ({search:String} = '' OR startsWith(TraceId, lower({search:String}))
                    OR positionCaseInsensitiveUTF8(SessionId, {search:String}) > 0 OR positionCaseInsensitiveUTF8(UserId, {search:String}) > 0)
                AND ({only_errors:UInt8} = 0 OR StatusCode = 'Error' OR HttpStatus >= 500)
            ORDER BY Timestamp DESC
            LIMIT wanted * 2
            UNION ALL
            SELECT TraceHash, Timestamp
            FROM requests
            WHERE {sort:String} = 'cost'
                AND Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
                AND TraceHash IN (
                    SELECT TraceHash
                    FROM llm_calls_priced
                    WHERE {sort:String} = 'cost'
                        AND Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')} + INTERVAL 1 HOUR
                        AND (({tenant:String} = '' AND {route:String} = '' AND {model:String} = '' AND {search:String} = '' AND {only_errors:UInt8} = 0) OR TraceHash IN (
                            SELECT TraceHash FROM requests
                            WHERE {sort:String} = 'cost'
                                AND ({tenant:String} != '' OR {route:String} != '' OR {model:String} != '' OR {search:String} != '' OR {only_errors:UInt8} != 0)
                                AND Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
                                AND ({tenant:String} = '' OR Tenant = {tenant:String})
                                AND ({route:String} = '' OR Route = {route:String})
                                AND ({model:String} = '' OR TraceHash IN (
                                    SELECT TraceHash FROM llm_calls
                                    WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')} + INTERVAL 1 HOUR
                                        AND {model:String} != '' AND (ResponseModel = {model:String} OR (ResponseModel = '' AND RequestModel = {model:String}))))
                                AND ({search:String} = '' OR startsWith(TraceId, lower({search:String}))
                                    OR positionCaseInsensitiveUTF8(SessionId, {search:String}) > 0 OR positionCaseInsensitiveUTF8(UserId, {search:String}) > 0)
                                AND ({only_errors:UInt8} = 0 OR StatusCode = 'Error' OR HttpStatus >= 500)))
                    GROUP BY TraceHash
                    HAVING count(CostUsd) = count()
                    ORDER BY sum(CostUsd) * direction
                    LIMIT wanted)
            UNION ALL
            SELECT TraceHash, Asked
            FROM
            (
                SELECT TraceHash, tupleElement(argMax(tuple(Value), Timestamp), 1) AS faithfulness
                FROM scores
                WHERE {sort:String} = 'faithfulness' AND Timestamp >= {from:DateTime64(3, 'UTC')} AND Name = 'faithfulness'
                GROUP BY TraceHash
            ) AS judged
            INNER JOIN
            (
                SELECT TraceHash, Timestamp AS Asked FROM requests
                WHERE {sort:String} = 'faithfulness'
                    AND TraceHash IN (SELECT TraceHash FROM scores WHERE {sort:String} = 'faithfulness' AND Timestamp >= {from:DateTime64(3, 'UTC')} AND Name = 'faithfulness')
                    AND Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
                    AND ({tenant:String} = '' OR Tenant = {tenant:String})
                    AND ({route:String} = '' OR Route = {route:String})
                    AND ({model:String} = '' OR TraceHash IN (
                        SELECT TraceHash FROM llm_calls
                        WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')} + INTERVAL 1 HOUR
                            AND {model:String} != '' AND (ResponseModel = {model:String} OR (ResponseModel = '' AND RequestModel = {model:String}))))
                    AND ({search:String} = '' OR startsWith(TraceId, lower({search:String}))
                        OR positionCaseInsensitiveUTF8(SessionId, {search:String}) > 0 OR positionCaseInsensitiveUTF8(UserId, {search:String}) > 0)
                    AND ({only_errors:UInt8} = 0 OR StatusCode = 'Error' OR HttpStatus >= 500)
            ) AS asked USING (TraceHash)
            WHERE faithfulness IS NOT NULL
            ORDER BY faithfulness * direction, toUnixTimestamp64Milli(Asked) DESC, TraceHash
            LIMIT wanted
        )
    ) AS page
SELECT
    r.trace_id AS trace_id, r.span_id AS span_id, r.started_ms AS started_ms, r.service AS service, r.name AS name, r.route_name AS route_name,
    r.tenant_name AS tenant_name, r.user_id AS user_id, r.session_id AS session_id, r.failed AS failed, r.error_type AS error_type,
    r.http_status AS http_status, r.ttft_ms AS ttft_ms, r.total_ms AS total_ms,
    m.models AS models, m.calls AS llm_calls, m.input_tokens AS input_tokens, m.output_tokens AS output_tokens,
    if(m.unpriced_calls > 0, NULL, m.cost_usd) AS cost_usd,
    s.faithfulness AS faithfulness, s.judged AS judged,
    matching_requests AS matching
FROM
(
    SELECT
        TraceHash AS trace_hash, TraceId AS trace_id, SpanId AS span_id, toUnixTimestamp64Milli(Timestamp) AS started_ms,
        toString(ServiceName) AS service, toString(Name) AS name, toString(Route) AS route_name, toString(Tenant) AS tenant_name,
        UserId AS user_id, SessionId AS session_id, StatusCode = 'Error' OR HttpStatus >= 500 AS failed,
        toString(ErrorType) AS error_type, HttpStatus AS http_status, TtftMs AS ttft_ms, DurationMs AS total_ms
    FROM requests
    WHERE (toStartOfFiveMinutes(Timestamp), TraceHash) IN (SELECT arrayJoin(page))
        AND Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
        AND ({tenant:String} = '' OR Tenant = {tenant:String})
        AND ({route:String} = '' OR Route = {route:String})
        AND ({search:String} = '' OR startsWith(TraceId, lower({search:String}))
            OR positionCaseInsensitiveUTF8(SessionId, {search:String}) > 0 OR positionCaseInsensitiveUTF8(UserId, {search:String}) > 0)
        AND ({only_errors:UInt8} = 0 OR StatusCode = 'Error' OR HttpStatus >= 500)
) AS r
LEFT JOIN
(
    SELECT
        TraceHash AS trace_hash,
        groupUniqArray(8)(toString(if(ResponseModel != '', ResponseModel, RequestModel))) AS models,
        count() AS calls,
        countIf(CostUsd IS NULL) AS unpriced_calls,
        sumOrNull(InputTokens) AS input_tokens,
        sumOrNull(OutputTokens) AS output_tokens,
        sumOrNull(CostUsd) AS cost_usd
    FROM llm_calls_priced
    WHERE (toStartOfFiveMinutes(Timestamp), TraceHash) IN (
            SELECT arrayJoin(arrayFlatten(arrayMap(p -> arrayMap(step -> (p.1 + 300 * step, p.2), range(-1, 13)), page))))
        AND Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')} + INTERVAL 1 HOUR
    GROUP BY TraceHash
) AS m USING (trace_hash)
LEFT JOIN
(
    SELECT TraceHash AS trace_hash, tupleElement(argMax(tuple(Value), Timestamp), 1) AS faithfulness, count() AS judged
    FROM scores
    WHERE TraceHash IN (SELECT arrayJoin(page).2) AND Timestamp >= {from:DateTime64(3, 'UTC')} AND Name = 'faithfulness'
    GROUP BY TraceHash
) AS s USING (trace_hash)
WHERE {sort:String} != 'faithfulness' OR faithfulness IS NOT NULL
ORDER BY
    multiIf(
        {sort:String} = 'ttft', ttft_ms, {sort:String} = 'total', total_ms, {sort:String} = 'cost', cost_usd,
        {sort:String} = 'faithfulness', faithfulness, toFloat64(started_ms)) * direction ASC NULLS LAST,
    started_ms DESC, trace_hash
LIMIT {limit:UInt32} OFFSET {offset:UInt32}
