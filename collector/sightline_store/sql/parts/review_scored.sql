-- The traces with scores that put an answer into a queue.
TraceHash IN (
    SELECT TraceHash
    FROM scores
    WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND TraceHash != cityHash64('')
        AND ({queue:String} != 'lowest' OR Name = 'groundedness')
        AND ({queue:String} != 'disagreement' OR (Source != 'human' AND Name IN ('groundedness', 'faithfulness') AND Value IS NOT NULL))
        AND ({queue:String} != 'complaints' OR (Source = 'human' AND NOT startsWith(Name, 'review'))))
