-- The scores of the window as sums: rollups of what is over, rows of the rest.
SELECT toUnixTimestamp(Start) AS Second, Name, Valued, Failed, PartCount, ValueSum, Spread, Judges, Notes, Lowest
FROM rollup_scores
WHERE
    -- include: rolled_periods.sql
    AND Route = {route:String} AND Model = {model:String}
UNION ALL
SELECT
    intDiv(toUnixTimestamp(Asked), 60) * 60 AS Second, Name,
    -- include: score_sums.sql
FROM
(
    -- include: scored_answers.sql
)
GROUP BY Second, Name
