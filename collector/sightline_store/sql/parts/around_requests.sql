-- What began up to an hour before or behind requests (started_ms) of which the first is an hour behind `earliest`.
Timestamp >= earliest AND Timestamp <= latest AND toStartOfFiveMinutes(Timestamp) IN (
    SELECT toStartOfFiveMinutes(fromUnixTimestamp64Milli(arrayJoin({started_ms:Array(Int64)}), 'UTC')) + 300 * arrayJoin(range(-12, 13)))
