-- What counts for requests of some hours: from five minutes before them until an hour behind.
Timestamp >= fromUnixTimestamp64Second({from_s:Int64}) - INTERVAL 5 MINUTE
    AND Timestamp < fromUnixTimestamp64Second({to_s:Int64}) + INTERVAL 1 HOUR
