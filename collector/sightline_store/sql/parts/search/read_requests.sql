-- The newest requests that hold the terms which columns answer: the raw spans of no others are read.
SELECT Timestamp, TraceHash FROM requests
WHERE
    -- include: of_requests.sql
    AND ({only_errors:UInt8} = 0 OR HttpStatus >= 500 OR
        -- include: failed.sql
    )
    AND Timestamp >=
        -- include: search_reach.sql
    -- condition: columns
ORDER BY Timestamp DESC
LIMIT {max_read:UInt32}
