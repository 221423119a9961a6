-- Calls with their price, looked up when asked, so that a corrected price re-prices history. CostBasis says what CostUsd is:
-- 'computed' from tokens and prices; 'local', computed on machines of one's own; 'reported' by the library or the gateway, where
-- it cannot be computed. Without any of these CostUsd is NULL, and CostUnknown says what is missing: a price or a number of
-- tokens. CostDiffers: the cost that was reported differs from the computed one by more than 1 %.
CREATE VIEW llm_calls_priced AS
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
        toUInt8(sightlineCostUnknown(rate, InputTokens, OutputTokens) * (second_usd < 0)) AS unknown,
        sightlineCostUsd(
            rate, ifNull(InputTokens, 0), ifNull(CacheReadTokens, 0), ifNull(CacheWriteTokens, 0), ifNull(CacheWrite1hTokens, 0),
            ifNull(InputAudioTokens, 0), ifNull(OutputTokens, 0), ifNull(OutputAudioTokens, 0), ifNull(ReasoningTokens, 0))
            + greatest(0, second_usd) * DurationMs / 1e3 AS computed
    FROM
    (
        SELECT
            *,
            TraceHash,
            PriceKey AS Price,
            sightlineCallOnLine(book, PriceKey, sightlineServiceTier(ServiceTier), toDateTime(Timestamp, 'UTC')) AS place,
            sightlinePeriod(book, place, roundDown(place, tupleElement(book, 3))) AS period,
            arrayElement(tupleElement(book, 7), period) AS second_usd
        FROM llm_calls
    )
);
