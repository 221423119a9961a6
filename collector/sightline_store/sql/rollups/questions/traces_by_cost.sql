-- The question traces_by_cost, the dearest first, of rollups and of the rows that no rollup holds: the dearest requests of the window
-- are among those of its periods, at most 50. A list counts as it was made last, also if its period has been made anew since.
WITH
    (
        SELECT (
            sum(n), arrayMap(item -> (item.2, item.3), arraySlice(arraySort(groupArrayArray(dearest)), {offset:UInt32} + 1, {limit:UInt32})))
        FROM
        (
            SELECT Requests AS n, CAST([], 'Array(Tuple(Float64, UInt64, Int64))') AS dearest
            FROM rollup_requests
            WHERE
                -- include: rolled_periods.sql
                AND Route = {route:String} AND Model = {model:String}
            UNION ALL
            SELECT 0, Dearest
            FROM rollup_dearest
            WHERE By = {set:String} AND ({tenant:String} = '' OR Tenant = {tenant:String}) AND Route = {route:String} AND Model = {model:String}
                AND (Period, Start, Made) IN (
                    SELECT Period, Start, max(Made)
                    FROM rollup_dearest
                    WHERE By = 'all' AND arrayExists((period, first, after) -> Period = period AND toUnixTimestamp(Start) >= first AND toUnixTimestamp(Start) < after,
                            {periods:Array(UInt32)}, {firsts:Array(UInt32)}, {afters:Array(UInt32)})
                    GROUP BY Period, Start)
            UNION ALL
            SELECT
                count(),
                -- include: dearest_of_set.sql
            FROM
            (
                SELECT TraceHash, Timestamp, arrayFilter((cost, tenant) -> {tenant:String} = '' OR tenant IN ('', {tenant:String}), calls.3, calls.1) AS counted
                FROM requests
                LEFT JOIN
                (
                    -- include: calls_of_traces.sql
                    WHERE (Timestamp >= {from:DateTime64(3, 'UTC')} - INTERVAL 5 MINUTE AND Timestamp < {rolled_from:DateTime64(3, 'UTC')} + INTERVAL 1 HOUR)
                        OR (Timestamp >= {rolled_to:DateTime64(3, 'UTC')} - INTERVAL 5 MINUTE AND Timestamp < {to:DateTime64(3, 'UTC')} + INTERVAL 1 HOUR)
                    GROUP BY TraceHash
                ) AS priced USING (TraceHash)
                WHERE
                    -- include: beside_rollups.sql
                    AND ({route:String} = '' OR Route = {route:String})
                    AND ({model:String} = '' OR has(calls.2, {model:String}))
            )
        )
    ) AS found,
    indexOf(found.2, (TraceHash, toUnixTimestamp64Nano(Timestamp))) AS place
-- include: rows_of_page.sql
