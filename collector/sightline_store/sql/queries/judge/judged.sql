-- What did a judge say of the answers of a window, and what did people? One row a trace that has a value, the newest asked first.
-- value and said are the newest; said and label are those of people, is_labelled says whether there are any. sampling_weight is the
-- number of spans that one of the trace stands for where a collector kept a share, 0 where none says so; trace_state has a head sampler's.
-- Parameters: the window, name (metric), judge, judge_version, human (name of people's scores), human_note (only those with
-- this note; '' all), limit (rows).
WITH judged AS
(
    SELECT TraceHash, TraceId, Value AS value
    FROM scores
    WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Name = {name:String} AND Judge = {judge:String} AND JudgeVersion = {judge_version:String}
        AND Source != 'human' AND Value IS NOT NULL AND TraceHash != cityHash64('')
    ORDER BY Timestamp DESC
    LIMIT 1 BY TraceHash
)
SELECT
    j.TraceId AS trace_id, j.value AS value, h.labelled = 1 AS is_labelled, h.said AS said, h.label AS label,
    w.weight AS sampling_weight, w.state AS trace_state
FROM judged AS j
INNER JOIN
(
    SELECT TraceHash, min(Timestamp) AS Asked
    FROM requests
    WHERE
        -- include: of_requests.sql
        AND TraceHash IN (SELECT TraceHash FROM judged)
    GROUP BY TraceHash
) AS r USING (TraceHash)
LEFT ANY JOIN
(
    SELECT TraceHash, Value AS said, toString(Label) AS label, 1 AS labelled
    FROM scores
    WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Name = {human:String} AND Source = 'human' AND ({human_note:String} = '' OR Note = {human_note:String})
        AND (Value IS NOT NULL OR Label IN ('thumbs_up', 'thumbs_down'))
    ORDER BY Timestamp DESC
    LIMIT 1 BY TraceHash
) AS h USING (TraceHash)
LEFT ANY JOIN
(
    SELECT cityHash64(TraceId) AS TraceHash, max(toFloat64OrZero(SpanAttributes['sightline.sampling.weight'])) AS weight, max(TraceState) AS state
    FROM otel_traces
    WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')} + INTERVAL 1 HOUR AND TraceId IN (SELECT TraceId FROM judged)
    GROUP BY TraceId
) AS w USING (TraceHash)
ORDER BY r.Asked DESC, trace_id
LIMIT {limit:UInt32}
