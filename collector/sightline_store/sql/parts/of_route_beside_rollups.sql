-- Where a question is narrowed to a route: rows beside rollups of the traces of its requests, as of_calls.sql has them.
AND ({route:String} = '' OR TraceHash IN (
    SELECT TraceHash FROM requests
    WHERE
        -- include: around_beside_rollups.sql
        AND Timestamp < {to:DateTime64(3, 'UTC')} AND {route:String} != '' AND Route = {route:String}))
