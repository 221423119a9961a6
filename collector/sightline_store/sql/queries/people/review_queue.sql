-- Which answers are to be read by a person next? Those that this reviewer has not reviewed, and fewer than `most` others have.
-- queue: lowest (by groundedness), disagreement (of two judges, the widest first), complaints (of users, the newest first),
-- random (in an order that depends on nothing else). Scores given since the beginning of the window count.
SELECT
    r.trace_id AS trace_id, r.span_id AS span_id, r.service AS service, r.name AS name,
    toUnixTimestamp64Milli(r.asked) AS asked_ms, r.tenant_name AS tenant_name,
    s.groundedness AS groundedness, s.spread AS spread, s.complaints AS complaints, s.complaint AS complaint,
    s.reviewers AS reviewers,
    count() OVER () AS waiting
FROM
(
    SELECT
        TraceHash, any(TraceId) AS trace_id, argMin(SpanId, Timestamp) AS span_id, min(Timestamp) AS asked,
        argMin(toString(ServiceName), Timestamp) AS service, argMin(toString(Name), Timestamp) AS name,
        any(toString(Tenant)) AS tenant_name
    FROM requests
    WHERE TraceId != '' AND
        -- include: of_requests.sql
    GROUP BY TraceHash
) AS r
LEFT JOIN
(
    SELECT
        TraceHash,
        tupleElement(argMaxIf(tuple(Value), Timestamp, Name = 'groundedness'), 1) AS groundedness,
        maxIf(Value, is_judged) - minIf(Value, is_judged) AS spread,
        uniqExactIf((Name, Judge), is_judged) AS judges,
        countIf(is_complaint) AS complaints,
        argMaxIf(Explanation, Timestamp, is_complaint) AS complaint,
        groupUniqArrayIf(toString(Judge), Name = 'review' AND Source = 'human') AS reviewers
    FROM
    (
        SELECT
            TraceHash, Timestamp, Name, Value, Judge, Source, Explanation,
            Source != 'human' AND Name IN ('groundedness', 'faithfulness') AND Value IS NOT NULL AS is_judged,
            Source = 'human' AND NOT startsWith(Name, 'review') AND Label != 'thumbs_up' AND (Label = 'thumbs_down' OR ifNull(Value <= 0, false)) AS is_complaint
        FROM scores
        WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND TraceHash != cityHash64('')
    )
    GROUP BY TraceHash
) AS s USING (TraceHash)
WHERE NOT has(s.reviewers, {reviewer:String}) AND length(s.reviewers) < {most:UInt8}
    AND multiIf(
        {queue:String} = 'lowest', isNotNull(s.groundedness),
        {queue:String} = 'disagreement', s.judges > 1 AND s.spread > 0,
        {queue:String} = 'complaints', s.complaints > 0,
        true)
ORDER BY
    multiIf(
        {queue:String} = 'lowest', ifNull(s.groundedness, 0),
        {queue:String} = 'disagreement', -ifNull(s.spread, 0),
        {queue:String} = 'complaints', -toFloat64(asked_ms),
        toFloat64(cityHash64(r.trace_id, 'review'))),
    asked_ms DESC, trace_id
LIMIT {limit:UInt32}
