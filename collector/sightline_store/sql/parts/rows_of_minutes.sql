-- The rows of some minutes, given as epoch seconds.
Timestamp >= fromUnixTimestamp64Second({from_s:Int64}) AND Timestamp < fromUnixTimestamp64Second({to_s:Int64})
    AND intDiv(toUnixTimestamp(Timestamp), 60) * 60 IN {minutes:Array(UInt32)}
