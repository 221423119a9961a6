-- The hours and days of rollups, each with a hash of what its list of the dearest requests is made of: its own version, those of the
-- hours next to it, in which calls of its traces may lie, and the prices that hold now (whatever order they are read in).
WITH
    (
        SELECT sum(cityHash64(toString((PriceKey, ServiceTier, ValidFrom, Rates, SecondUsd, ReadyRates)))) FROM model_prices_current
    ) AS prices,
    (
        SELECT (groupArray(toUnixTimestamp(Start)), groupArray(version))
        FROM (SELECT Start, max(Version) AS version FROM rollup_periods WHERE Period = 3600 GROUP BY Start)
    ) AS hours
SELECT
    Period, Start, source_rows,
    cityHash64(
        version, prices,
        transform(toUnixTimestamp(Start) - 3600, hours.1, hours.2, toUInt64(0)),
        transform(toUnixTimestamp(Start) + Period, hours.1, hours.2, toUInt64(0))) AS made_of
FROM
(
    SELECT Period, Start, max(Version) AS version, argMax(SourceRows, Version) AS source_rows
    FROM rollup_periods
    WHERE Period IN (3600, 86400)
    GROUP BY Period, Start
)
