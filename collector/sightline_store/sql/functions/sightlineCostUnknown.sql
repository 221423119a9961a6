-- Why a call has no cost, 0 where it has one: 1 no price is known, 2 its numbers of tokens are unknown, 3 a part of them has no price.
CREATE FUNCTION sightlineCostUnknown AS (rate, input, output) -> multiIf(
    tupleElement(rate, 10) < 32, 1,
    isNull(input) OR isNull(output), 2,
    (input > 0 AND NOT bitTest(tupleElement(rate, 10), 0)) OR (output > 0 AND NOT bitTest(tupleElement(rate, 10), 1)), 3,
    0);
