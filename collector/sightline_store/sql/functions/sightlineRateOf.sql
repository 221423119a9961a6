-- The rate of a call of so much input in that second of the day: the first special one that fits, else the usual one.
CREATE FUNCTION sightlineRateOf AS (book, period, input, second) -> arrayElement(
    tupleElement(book, 6),
    arrayElement(tupleElement(book, 4), period) + arrayFirstIndex(
        (above, from_s, to_s) -> ifNull(input, 0) > above
            AND ((from_s <= second) + (second < to_s) + (from_s > to_s)) >= 2,
        tupleElement(arrayElement(tupleElement(book, 5), period), 1),
        tupleElement(arrayElement(tupleElement(book, 5), period), 2),
        tupleElement(arrayElement(tupleElement(book, 5), period), 3)));
