-- The model calls of the window as sums with what they cost: rollups of what is over, rows of the rest. cost is that of the
-- calls whose cost is known (priced), the same as that of llm_calls_priced. In layers, since each use of a name in its own
-- layer is analysed anew.
WITH (SELECT tuple(*) FROM price_book) AS book
SELECT
    * EXCEPT (rate, plain_input, plain_output, local_usd),
    if(unknown = 0, Calls, ToldCount) AS priced,
    if(unknown = 0, (plain_input * rate.1 + CacheRead * rate.2 + CacheWrite * rate.3 + CacheWrite1h * rate.4 + InputAudio * rate.5
        + plain_output * rate.6 + OutputAudio * rate.7 + Reasoning * rate.8) / 1e6 + Calls * rate.9 + local_usd, ToldSum) AS cost
FROM
(
    SELECT
        Second, Tenant, Model, PriceKey, PricedAs, Calls, InputCount, InputSum, OutputCount, OutputSum, ToldCount, ToldSum, CacheRead,
        CacheReadCount, CacheWrite, CacheWrite1h, InputAudio, OutputAudio, Reasoning, ReasoningCount, rate,
        if(bitTest(Shape, 0), 0, Calls) AS uncounted,
        second_usd >= 0 AND unknown = 0 AS is_local,
        greatest(0, second_usd) * DurationSum / 1e3 AS local_usd,
        [PlainInput, PlainInputNoAudio][1 + bitTest(rate.10, 2)] AS plain_input,
        [PlainOutput, PlainOutputNoAudio, PlainOutputNoReasoning, PlainOutputNoAudioNoReasoning][1 + bitAnd(bitShiftRight(rate.10, 3), 3)]
            AS plain_output,
        toUInt8(sightlineCostUnknown(rate, tokens.1, tokens.2) * (second_usd < 0)) AS unknown
    FROM
    (
        SELECT
            * EXCEPT period,
            if(bitTest(Shape, 0), (bitTest(Shape, 1), bitTest(Shape, 2)), (NULL, NULL)) AS tokens,
            arrayElement(tupleElement(book, 7), period) AS second_usd,
            sightlineRateOf(book, period, if(bitTest(Shape, 1), InputStep + 1, 0), Second % 86400) AS rate
        FROM
        (
            SELECT * EXCEPT place, sightlinePeriod(book, place, roundDown(place, tupleElement(book, 3))) AS period
            FROM
            (
                SELECT *, sightlineCallOnLine(book, PriceKey, sightlineServiceTier(ServiceTier), toDateTime(Second, 'UTC')) AS place
                FROM
                (
                    SELECT toUnixTimestamp(Start) AS Second, * EXCEPT (Period, Start, Version, By, Notes, Route)
                    FROM rollup_calls
                    WHERE
                        -- include: rolled_call_periods.sql
                    UNION ALL
                    SELECT
                        toUnixTimestamp(toDateTime(Timestamp, 'UTC')) AS Second, Tenant, Model, PriceKey, ServiceTier, InputStep, Shape,
                        -- include: call_sums.sql
                        , PricedAs
                    FROM
                    (
                        SELECT *, PriceKey,
                            -- include: call_terms.sql
                        FROM llm_calls
                        WHERE
                            -- include: calls_beside_rollups.sql
                    )
                    GROUP BY Second, Tenant, Model, PriceKey, PricedAs, ServiceTier, InputStep, Shape
                )
            )
        )
    )
)
