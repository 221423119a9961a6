-- The number of the period in which a call lies, by its place on the line and the last start before that, which may be another
-- name's: then 1.
CREATE FUNCTION sightlinePeriod AS (book, place, start) -> transform(
    if(bitShiftRight(place, 32) = bitShiftRight(start, 32), start, 0),
    tupleElement(book, 3), arrayEnumerate(tupleElement(book, 3)), toUInt32(1));
