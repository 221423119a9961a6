TraceHash IN (
    SELECT TraceHash FROM scores
    WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Name = {key:String} AND TraceHash != cityHash64('')
    GROUP BY TraceHash
    HAVING tupleElement(argMax(tuple(Value), Timestamp), 1) > {number:Float64})
