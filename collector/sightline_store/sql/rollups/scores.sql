-- Minutes of scores by the time of asking: all, and by each of the dimensions that can narrow a question.
INSERT INTO rollup_scores
SELECT
    toUInt32(60) AS Period, minute AS Start, {version:UInt64} AS Version, By, Tenant, Route, Name,
    -- include: score_sums.sql
FROM
(
    SELECT *, toDateTime(intDiv(toUnixTimestamp(Asked), 60) * 60, 'UTC') AS minute
    FROM
    (
        -- include: scored_answers.sql
    )
)
WHERE toUnixTimestamp(minute) IN {minutes:Array(UInt32)}
GROUP BY minute, By, Tenant, Route, Name
LIMIT {limit:UInt32} BY minute, By
