-- When was each stage of the window last flagged, as far as rollups tell? The periods, the newest first, and none twice.
SELECT toUnixTimestamp(period.1) AS start_s, start_s + period.2 AS end_s
FROM
(
    SELECT max((Start, Period)) AS period
    FROM rollup_stages
    WHERE
        -- include: rolled_periods.sql
        AND Route = {route:String} AND Model = {model:String} AND FlaggedSpans > 0
    GROUP BY Stage
)
GROUP BY start_s, end_s
ORDER BY start_s DESC
