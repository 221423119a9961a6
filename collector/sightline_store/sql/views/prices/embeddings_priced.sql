-- The same for embeddings, which only take tokens in.
CREATE VIEW embeddings_priced AS
WITH (SELECT tuple(*) FROM price_book) AS book
SELECT
    * EXCEPT (place, period, second_usd, rate, unknown, computed),
    if(unknown = 0, computed, ToldCostUsd) AS CostUsd,
    sightlineCostBasis(unknown, second_usd, ToldCostUsd) AS CostBasis,
    sightlineWhyUnknown(if(isNull(ToldCostUsd), unknown, 0)) AS CostUnknown,
    sightlineCostDiffers(unknown, second_usd, computed, ToldCostUsd) AS CostDiffers
FROM
(
    SELECT
        *,
        sightlineRateOf(book, period, InputTokens, toUnixTimestamp(toDateTime(Timestamp, 'UTC')) % 86400) AS rate,
        -- Not by `if`, which would compute the rate a second time for the rows of a branch.
        toUInt8(sightlineCostUnknown(rate, InputTokens, 0) * (second_usd < 0)) AS unknown,
        sightlineCostUsd(rate, ifNull(InputTokens, 0), 0, 0, 0, 0, 0, 0, 0) + greatest(0, second_usd) * DurationMs / 1e3 AS computed
    FROM
    (
        SELECT
            *,
            TraceHash,
            PriceKey AS Price,
            sightlineCallOnLine(book, PriceKey, '', toDateTime(Timestamp, 'UTC')) AS place,
            sightlinePeriod(book, place, roundDown(place, tupleElement(book, 3))) AS period,
            arrayElement(tupleElement(book, 7), period) AS second_usd
        FROM embeddings
    )
);
