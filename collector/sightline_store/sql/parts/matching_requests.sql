-- Which requests a list of them is about: those of the window, of what it is narrowed to, and of what is searched for.
-- include: of_requests.sql
    AND ({search:String} = '' OR startsWith(TraceId, lower({search:String}))
        OR positionCaseInsensitiveUTF8(SessionId, {search:String}) > 0 OR positionCaseInsensitiveUTF8(UserId, {search:String}) > 0)
    AND ({only_errors:UInt8} = 0 OR HttpStatus >= 500 OR
        -- include: failed.sql
    )
