-- The newest score of each name on the answers to the requests of a window, but for the part of it that rollups hold: a row an
-- answer, name and set. An answer was asked when the first request of its trace (that the set and the narrowing have) began;
-- requests up to an hour earlier tell whether one of the window is the first.
SELECT
    s.TraceHash AS TraceHash, r.asked AS Asked, r.set.1 AS By, r.set.2 AS Tenant, r.set.3 AS Route, s.name AS Name,
    s.value AS value, s.judge AS judge, s.note AS note
FROM
(
    SELECT TraceHash, Name AS name, Value AS value, trimRight(concat(Judge, ' ', JudgeVersion)) AS judge, toString(Note) AS note
    FROM scores
    WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND TraceHash != cityHash64('') AND NOT startsWith(Name, 'drift.')
        AND TraceHash IN (SELECT TraceHash FROM requests WHERE
            -- include: beside_rollups_of_all.sql
        )
    ORDER BY Timestamp DESC
    LIMIT 1 BY TraceHash, Name
) AS s
INNER JOIN
(
    SELECT TraceHash, set, min(Timestamp) AS asked
    FROM
    (
        SELECT TraceHash, Timestamp, arrayJoin([('all', '', ''), ('tenant', toString(Tenant), ''), ('route', '', toString(Route))]) AS set
        FROM requests
        WHERE ((Timestamp >= {from:DateTime64(3, 'UTC')} - INTERVAL 1 HOUR AND Timestamp < {rolled_from:DateTime64(3, 'UTC')})
                OR (Timestamp >= {rolled_to:DateTime64(3, 'UTC')} - INTERVAL 1 HOUR AND Timestamp < {to:DateTime64(3, 'UTC')}))
            AND ({tenant:String} = '' OR Tenant = {tenant:String})
            AND ({route:String} = '' OR Route = {route:String})
            -- include: of_model_beside_rollups.sql
            -- condition: scored
    )
    WHERE set.1 IN {sets:Array(String)}
    GROUP BY TraceHash, set
    HAVING (asked >= {from:DateTime64(3, 'UTC')} AND asked < {rolled_from:DateTime64(3, 'UTC')})
        OR (asked >= {rolled_to:DateTime64(3, 'UTC')} AND asked < {to:DateTime64(3, 'UTC')})
) AS r USING (TraceHash)
