-- The spans that may hold a question or an answer: requests, calls of models, searches, and what is around them.
AND (ServiceName, SpanName) IN (
    SELECT ServiceName, Name FROM requests
    WHERE Timestamp >=
        -- include: search_reach.sql
        AND Timestamp < {to:DateTime64(3, 'UTC')}
    UNION DISTINCT
    SELECT ServiceName, Name FROM stages
    WHERE Timestamp >=
        -- include: search_reach.sql
        - INTERVAL 5 MINUTE
        AND Timestamp < {to:DateTime64(3, 'UTC')} + INTERVAL 1 HOUR
        AND Stage IN ('model', 'search', 'agent', 'workflow'))
