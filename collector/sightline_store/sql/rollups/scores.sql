-- Minutes of scores by the time of asking: all, and by each of the dimensions that can narrow a question. A model's are those of all
-- requests of a trace that has a call of it.
INSERT INTO rollup_scores
SELECT
    toUInt32(60) AS Period, minute AS Start, {version:UInt64} AS Version, set.1 AS By, set.2 AS Tenant, set.3 AS Route, Name,
    -- include: score_sums.sql
    , set.4 AS Model
FROM
(
    SELECT
        * EXCEPT (By, Tenant, Route, Models), toDateTime(intDiv(toUnixTimestamp(Asked), 60) * 60, 'UTC') AS minute,
        arrayJoin(arrayConcat([(By, Tenant, Route, '')],
            arrayMap(model -> ('model', '', '', model), if(By = 'all', Models, [])))) AS set
    FROM
    (
        -- include: scored_answers.sql
    ) AS answers
    LEFT ANY JOIN
    (
        SELECT TraceHash, groupArray(toString(Model)) AS Models
        FROM
        (
            -- include: models_of_traces.sql
        )
        GROUP BY TraceHash
    ) AS of_calls USING (TraceHash)
)
WHERE toUnixTimestamp(minute) IN {minutes:Array(UInt32)}
GROUP BY minute, By, Tenant, Route, Model, Name
LIMIT {limit:UInt32} BY minute, By
