-- How did the scores of answers change between two windows of asking? One row a comparison and name of a score.
-- A comparison is judge, its version and the model that answered; '*' is any model. The newest score of a name and judge counts; a judge that failed is in none.
WITH
    asked AS
    (
        SELECT TraceHash, min(Timestamp) >= {current_from:DateTime64(3, 'UTC')} AS is_current
        FROM requests
        WHERE
            -- include: drift_windows.sql
            AND TraceHash % {stride:UInt64} = 0 AND
            -- include: drift_traces.sql
        GROUP BY TraceHash
    ),
    observed AS
    (
        SELECT
            arrayJoin(arrayDistinct([(s.judge, s.judge_version, '*'), (s.judge, s.judge_version, m.model)])) AS comparison,
            a.is_current AS is_current, s.signal AS signal, s.x AS x
        FROM
        (
            SELECT TraceHash, toString(Name) AS signal, toString(Judge) AS judge, toString(JudgeVersion) AS judge_version, ifNull(Value, nan) AS x
            FROM scores
            WHERE Timestamp >= {reference_from:DateTime64(3, 'UTC')} AND TraceHash % {stride:UInt64} = 0 AND TraceHash != cityHash64('') AND NOT startsWith(Name, 'drift.')
            ORDER BY Timestamp DESC
            LIMIT 1 BY TraceHash, Name, Judge, JudgeVersion
        ) AS s
        INNER JOIN asked AS a ON a.TraceHash = s.TraceHash
        LEFT ANY JOIN
        (
            SELECT TraceHash, toString(if(ResponseModel != '', ResponseModel, RequestModel)) AS model
            FROM llm_calls
            WHERE TraceHash % {stride:UInt64} = 0 AND
                -- include: drift_windows.sql
        ) AS m ON m.TraceHash = s.TraceHash
    )
-- include: drift_distributions.sql
