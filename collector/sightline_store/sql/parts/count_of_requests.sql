(
    SELECT count()
    FROM requests
    WHERE
        -- include: matching_requests.sql
)
