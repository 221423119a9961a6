-- Nanoseconds since 1970 as DateTime, which is what the metric tables hold; later than 2106 becomes its last second.
CREATE FUNCTION sightlineSeconds AS ns -> toDateTime(least(intDiv(ns, 1000000000), 4294967295), 'UTC');
