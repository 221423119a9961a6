-- How many requests there are, and how many of them failed.
count() AS Requests,
countIf(
    -- include: failed.sql
    OR HttpStatus >= 500) AS Errors,
