-- A rate, ready to multiply. Tokens of a kind without a price of its own cost what the kind that they are inside of costs. A price
-- that is unknown is 0 here; the last number's bits say what has a price: 0 input, 1 output, 2 spoken input, 3 spoken
-- output, 4 reasoning, 5 anything.
CREATE FUNCTION sightlineRate AS rate -> tuple(
    ifNull(tupleElement(rate, 4), 0.),
    coalesce(tupleElement(rate, 5), tupleElement(rate, 4), 0.),
    coalesce(tupleElement(rate, 6), tupleElement(rate, 4), 0.),
    coalesce(tupleElement(rate, 7), tupleElement(rate, 6), tupleElement(rate, 4), 0.),
    ifNull(tupleElement(rate, 8), 0.),
    ifNull(tupleElement(rate, 9), 0.),
    ifNull(tupleElement(rate, 10), 0.),
    ifNull(tupleElement(rate, 11), 0.),
    ifNull(tupleElement(rate, 12), 0.),
    toUInt8(isNotNull(tupleElement(rate, 4)) + 2 * isNotNull(tupleElement(rate, 9)) + 4 * isNotNull(tupleElement(rate, 8))
        + 8 * isNotNull(tupleElement(rate, 10)) + 16 * isNotNull(tupleElement(rate, 11))
        + 32 * isNotNull(coalesce(tupleElement(rate, 4), tupleElement(rate, 9), tupleElement(rate, 12)))));
