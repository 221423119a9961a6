-- Which is the newest trace in which a guardrail raised an alarm? One row a stage of the flagged spans.
SELECT toString(Stage) AS stage, argMax(TraceId, Timestamp) AS trace_id
FROM stages
WHERE Flagged AND
    -- include: of_stages.sql
GROUP BY stage
ORDER BY stage
