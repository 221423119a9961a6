(HttpStatus >= 500 OR
    -- include: failed.sql
)
