-- The hours of rollups since a moment (epoch second), each with what its facts of requests were made of: `now_of` is a hash of its own
-- version and of those of the hours next to it, in which calls of its traces may lie, with a word for what is made of them, which changes
-- where more is; `now_prices` is one of the prices that hold now (whatever order they are read in); `made_of`, `made_prices` and
-- `requests` are those of the facts there are, 0 without any.
WITH
    (
        SELECT sum(cityHash64(toString((PriceKey, ServiceTier, ValidFrom, Rates, SecondUsd, ReadyRates)))) FROM model_prices_current
    ) AS now_prices,
    (
        SELECT (groupArray(toUnixTimestamp(Start)), groupArray(version))
        FROM
        (
            SELECT Start, max(Version) AS version
            FROM rollup_periods
            WHERE Period = 3600 AND Start >= fromUnixTimestamp({since_s:UInt32}) - INTERVAL 1 HOUR
            GROUP BY Start
        )
    ) AS hours
SELECT
    toUnixTimestamp(Start) AS start, source_rows, now_prices, made_of, made_prices, requests,
    cityHash64(
        version,
        transform(start - 3600, hours.1, hours.2, toUInt64(0)),
        transform(start + 3600, hours.1, hours.2, toUInt64(0)),
        'with spending') AS now_of
FROM
(
    SELECT Start, max(Version) AS version, argMax(SourceRows, Version) AS source_rows
    FROM rollup_periods
    WHERE Period = 3600 AND Start >= fromUnixTimestamp({since_s:UInt32})
    GROUP BY Start
) AS periods
LEFT JOIN
(
    SELECT Start, argMax(Of, Made) AS made_of, argMax(Prices, Made) AS made_prices, argMax(Requests, Made) AS requests
    FROM rollup_facts_made
    WHERE Start >= fromUnixTimestamp({since_s:UInt32})
    GROUP BY Start
) AS made USING (Start)
