-- The prices that hold now as one row of lists, which a question looks up for every call: a join would cost more than all
-- else in it. Names and tiers are numbered by their places in their lists. Starts are the beginnings of all periods on the line;
-- at the same place, Firsts is the place in Rates of the period's usual rate and Specials tells when the rates behind it hold. The
-- first period is that of what has no price. Seconds is what a second costs of what is computed on machines of one's own, -1 of
-- all else.
CREATE VIEW price_book AS
SELECT
    arrayDistinct(groupArray(name)) AS Names,
    arrayDistinct(groupArray(tier)) AS Tiers,
    arrayPushFront(arrayMap((name, tier, start) -> sightlineOnLine(name, tier, start),
        arrayEnumerateDense(groupArray(name)), arrayEnumerateDense(groupArray(tier)), groupArray(ValidFrom)), 0) AS Starts,
    arrayPushFront(arrayCumSum(arrayPushFront(groupArray(length(ReadyRates)), 1)), 0) AS Firsts,
    arrayPushFront(groupArray(special), []) AS Specials,
    arrayFlatten(groupArray(ReadyRates)) AS Rates,
    arrayPushFront(groupArray(ifNull(SecondUsd, -1.)), -1.) AS Seconds
FROM
(
    SELECT
        toString(PriceKey) AS name, toString(ServiceTier) AS tier, ValidFrom, ReadyRates, SecondUsd,
        arrayMap(rate -> (rate.1, rate.2, rate.3), Rates) AS special
    FROM model_prices_current
);
