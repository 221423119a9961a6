-- What the answers to the requests of a window scored.
SELECT
    avgOrNullIf(Value, Name = 'groundedness') AS groundedness,
    if(groundedness_n > 1, stddevSampOrNullIf(Value, Name = 'groundedness'), NULL) AS groundedness_sd,
    countIf(Name = 'groundedness' AND Value IS NOT NULL) AS groundedness_n,
    countIf(Name = 'groundedness' AND Value IS NULL) AS groundedness_failed,
    avgOrNullIf(Value, Name = 'faithfulness') AS faithfulness,
    if(faithfulness_n > 1, stddevSampOrNullIf(Value, Name = 'faithfulness'), NULL) AS faithfulness_sd,
    countIf(Name = 'faithfulness' AND Value IS NOT NULL) AS faithfulness_n,
    countIf(Name = 'faithfulness' AND Value IS NULL) AS faithfulness_failed,
    avgOrNullIf(Value, Name = 'retrieval_hit_at_5') AS hit,
    countIf(Name = 'retrieval_hit_at_5' AND Value IS NOT NULL) AS hit_n
FROM
(
    SELECT TraceHash, Name, Value
    FROM scores
    WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Name IN ('groundedness', 'faithfulness', 'retrieval_hit_at_5')
        AND TraceHash IN (
            SELECT TraceHash FROM requests
            WHERE
                -- include: of_requests.sql
                AND TraceHash IN (SELECT TraceHash FROM scores WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Name IN ('groundedness', 'faithfulness', 'retrieval_hit_at_5')))
    ORDER BY Timestamp DESC
    LIMIT 1 BY TraceHash, Name
)
