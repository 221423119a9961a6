-- When the newest requests of a window begin, of whatever tenant: raw spans from before are not read. Requests that hold a term
-- lie scattered among the others, and every spot costs a whole granule of prompts.
(SELECT min(Timestamp) FROM (
    SELECT Timestamp FROM requests
    WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
    ORDER BY toStartOfFiveMinutes(Timestamp) DESC, Timestamp DESC  -- the beginning of the sorting key: no more is read
    LIMIT {max_behind:UInt32}))
