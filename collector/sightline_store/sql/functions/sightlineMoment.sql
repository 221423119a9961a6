-- Nanoseconds since 1970 as DateTime64(9), which is what the span and log tables hold. What is later than DateTime's last second,
-- in 2106, becomes that: the tables are partitioned and looked up by it, and past it times begin anew at 1970 or before.
CREATE FUNCTION sightlineMoment AS ns -> fromUnixTimestamp64Nano(toInt64(least(ns, 4294967295999999999)), 'UTC');
