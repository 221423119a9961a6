-- The question embedding_spend, of rollups and of the rows that no rollup holds. comparable_calls: as spend_by.sql has it.
WITH (SELECT tuple(*) FROM price_book) AS book
SELECT
    if({bucket_s:UInt32} = 0, 0, intDiv(Second, greatest({bucket_s:UInt32}, 1)) * {bucket_s:UInt32}) AS bucket,
    toString(Model) AS name,
    toString(any(PriceKey)) AS price_key,
    sum(Calls) AS calls,
    calls - sum(priced) AS unpriced_calls,
    calls - sum(InputCount) AS uncounted_calls,
    if(sum(InputCount) = 0, NULL, sum(InputSum)) AS input_tokens,
    if(sum(priced) = 0, NULL, sum(cost)) AS cost_usd,
    anyIf(sightlineWhyUnknown(unknown), priced < Calls) AS unknown_because,
    sumIf(ToldCount, unknown > 0) AS reported_calls,
    sumIf(Calls, is_local) AS local_calls,
    sumIf(ToldCount, unknown = 0 AND NOT is_local) AS comparable_calls
FROM
(
    SELECT
        *, second_usd >= 0 AND unknown = 0 AS is_local,
        if(unknown = 0, Calls, ToldCount) AS priced,
        if(unknown = 0, InputSum * rate.1 / 1e6 + Calls * rate.9 + greatest(0, second_usd) * DurationSum / 1e3, ToldSum) AS cost
    FROM
    (
        SELECT
            *, arrayElement(tupleElement(book, 7), period) AS second_usd,
            sightlineRateOf(book, period, if(bitTest(Shape, 0), InputStep + 1, 0), Second % 86400) AS rate,
            toUInt8(sightlineCostUnknown(rate, if(bitTest(Shape, 0), bitTest(Shape, 1), NULL), 0) * (second_usd < 0)) AS unknown
        FROM
        (
            SELECT * EXCEPT place, sightlinePeriod(book, place, roundDown(place, tupleElement(book, 3))) AS period
            FROM
            (
                SELECT *, sightlineCallOnLine(book, PriceKey, '', toDateTime(Second, 'UTC')) AS place
                FROM
                (
                    SELECT toUnixTimestamp(Start) AS Second, Model, PriceKey, InputStep, Shape, Calls, InputCount, ToldCount, InputSum, DurationSum, ToldSum
                    FROM rollup_embeddings
                    WHERE
                        -- include: rolled_call_periods.sql
                    UNION ALL
                    SELECT
                        toUnixTimestamp(toDateTime(Timestamp, 'UTC')) AS Second, Model, PriceKey, InputStep, Shape,
                        -- include: embedding_sums.sql
                    FROM
                    (
                        SELECT *, PriceKey,
                            -- include: embedding_terms.sql
                        FROM embeddings
                        WHERE
                            -- include: calls_beside_rollups.sql
                    )
                    GROUP BY Second, Model, PriceKey, InputStep, Shape
                )
            )
        )
    )
)
GROUP BY bucket, name
ORDER BY bucket, ifNull(cost_usd, 0) DESC, calls DESC, name
