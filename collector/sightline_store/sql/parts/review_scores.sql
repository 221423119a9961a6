-- What the answers of a window were judged and who reviewed them: scores that came since its beginning, a trace a row.
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
        -- condition: among
)
GROUP BY TraceHash
