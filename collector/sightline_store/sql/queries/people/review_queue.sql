-- Which answers are to be read by a person next? Those that this reviewer has not reviewed, and fewer than `most` others have.
-- queue: lowest (by groundedness), disagreement (of two judges, the widest first), complaints (of users, the newest first),
-- random (in an order that depends on nothing else). Scores given since the beginning of the window count.
-- First which answers stand on the page, by the columns that order them, then the rest of those.
WITH
    (
        SELECT groupArray((trace, asked, groundedness, spread, complaints, complaint, reviewers, waiting))
        FROM
        (
            SELECT
                r.TraceHash AS trace, r.asked AS asked, s.groundedness AS groundedness, s.spread AS spread,
                s.complaints AS complaints, s.complaint AS complaint, s.reviewers AS reviewers, count() OVER () AS waiting
            FROM
            (
                SELECT TraceHash, min(Timestamp) AS asked
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
                    {queue:String} = 'lowest', ifNull(groundedness, 0),
                    {queue:String} = 'disagreement', -ifNull(spread, 0),
                    {queue:String} = 'complaints', -toFloat64(toUnixTimestamp64Milli(asked)),
                    toFloat64(cityHash64(trace, 'review'))),
                asked DESC, trace
            LIMIT {limit:UInt32}
        )
    ) AS page,
    indexOf(page.1, TraceHash) AS place
SELECT
    any(TraceId) AS trace_id, argMin(SpanId, Timestamp) AS span_id,
    argMin(toString(ServiceName), Timestamp) AS service, argMin(toString(Name), Timestamp) AS name,
    toUnixTimestamp64Milli(min(Timestamp)) AS asked_ms, any(toString(Tenant)) AS tenant_name,
    page.3[any(place)] AS groundedness, page.4[any(place)] AS spread, page.5[any(place)] AS complaints,
    page.6[any(place)] AS complaint, page.7[any(place)] AS reviewers, page.8[1] AS waiting
FROM requests
WHERE TraceHash IN (SELECT arrayJoin(page.1)) AND
    -- include: of_requests.sql
    AND toStartOfFiveMinutes(Timestamp) >= (SELECT toStartOfFiveMinutes(arrayMin(page.2)))
GROUP BY TraceHash
ORDER BY any(place)
