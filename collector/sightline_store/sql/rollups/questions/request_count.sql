-- How many requests has a window, or how many that failed? Of rollups and of the rows that no rollup holds.
SELECT sum(if({only_errors:UInt8} = 1, Errors, Requests)) AS requests
FROM
(
    -- include: rolled_requests.sql
)
