-- The same place for a call; names and tiers without a price have the number 0. Moments are DateTime: one out of its range wraps,
-- where a DateTime64 would fail the question.
CREATE FUNCTION sightlineCallOnLine AS (book, name, tier, moment) -> sightlineOnLine(
    transform(name, tupleElement(book, 1), arrayEnumerate(tupleElement(book, 1)), toUInt32(0)),
    transform(tier, tupleElement(book, 2), arrayEnumerate(tupleElement(book, 2)), toUInt32(0)), moment);
