-- What the answers to the requests of a window scored, of rollups and of the rows beside them.
SELECT
    if(groundedness_n = 0, NULL, sumIf(ValueSum, Name = 'groundedness') / groundedness_n) AS groundedness,
    if(groundedness_n > 1, stddevSampStableMergeIf(Spread, Name = 'groundedness'), NULL) AS groundedness_sd,
    sumIf(Valued, Name = 'groundedness') AS groundedness_n,
    sumIf(Failed, Name = 'groundedness') AS groundedness_failed,
    if(faithfulness_n = 0, NULL, sumIf(ValueSum, Name = 'faithfulness') / faithfulness_n) AS faithfulness,
    if(faithfulness_n > 1, stddevSampStableMergeIf(Spread, Name = 'faithfulness'), NULL) AS faithfulness_sd,
    sumIf(Valued, Name = 'faithfulness') AS faithfulness_n,
    sumIf(Failed, Name = 'faithfulness') AS faithfulness_failed,
    if(hit_n = 0, NULL, sumIf(ValueSum, Name = 'retrieval_hit_at_5') / hit_n) AS hit,
    sumIf(Valued, Name = 'retrieval_hit_at_5') AS hit_n
FROM
(
    -- include: rolled_scores.sql
)
