-- Which is the newest trace in which a guardrail raised an alarm? One row a stage of the flagged spans.
-- First when it was: ids of traces are long, and those of the others need not be read.
SELECT toString(Stage) AS stage, argMax(TraceId, Timestamp) AS trace_id
FROM stages
WHERE Flagged AND (toStartOfFiveMinutes(Timestamp), TraceHash) IN (
    SELECT toStartOfFiveMinutes(max(Timestamp)), argMax(TraceHash, Timestamp)
    FROM stages
    WHERE Flagged AND
        -- include: of_stages.sql
    GROUP BY Stage)
GROUP BY stage
ORDER BY stage
