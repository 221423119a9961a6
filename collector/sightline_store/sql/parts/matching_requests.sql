-- Which requests a list of them is about: those of the window, of what it is narrowed to, and of what is searched for
-- (questions/search.py; questions/conditions.py puts its condition in).
-- include: of_requests.sql
    AND ({only_errors:UInt8} = 0 OR HttpStatus >= 500 OR
        -- include: failed.sql
    )
    -- condition: search
