-- Where a moment of a name and service tier lies on one line of numbers: those of a name and tier follow each other.
CREATE FUNCTION sightlineOnLine AS
    (name, tier, moment) -> (toUInt64(name) * 4096 + tier) * 4294967296 + toUnixTimestamp(moment);
