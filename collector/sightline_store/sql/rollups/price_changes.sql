-- Where the price of a call changes: cuts are the moments at which one begins to hold, steps the numbers of input tokens above
-- which another rate holds, times the seconds of the day at which one begins or ends.
SELECT
    groupUniqArray(toUnixTimestamp(ValidFrom)) AS cuts,
    arrayDistinct(arrayFlatten(groupArray(arrayMap(rate -> rate.1, Rates)))) AS steps,
    arrayDistinct(arrayFlatten(groupArray(arrayMap(rate -> [rate.2, rate.3], Rates)))) AS times
FROM model_prices_current
