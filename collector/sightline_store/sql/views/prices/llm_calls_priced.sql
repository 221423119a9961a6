-- Calls with their price, looked up when asked, so that a corrected price re-prices history. CostUsd is NULL where a number
-- of tokens or a price that it needs is unknown, and CostUnknown says which.
CREATE VIEW llm_calls_priced AS
WITH (SELECT tuple(*) FROM price_book) AS book
SELECT
    * EXCEPT (place, period, rate, unknown),
    if(unknown = 0,
        sightlineCostUsd(
            rate, ifNull(InputTokens, 0), ifNull(CacheReadTokens, 0), ifNull(CacheWriteTokens, 0), ifNull(CacheWrite1hTokens, 0),
            ifNull(InputAudioTokens, 0), ifNull(OutputTokens, 0), ifNull(OutputAudioTokens, 0), ifNull(ReasoningTokens, 0)),
        NULL) AS CostUsd,
    sightlineWhyUnknown(unknown) AS CostUnknown
FROM
(
    SELECT
        *,
        sightlineRateOf(book, period, InputTokens, toUnixTimestamp(toDateTime(Timestamp, 'UTC')) % 86400) AS rate,
        sightlineCostUnknown(rate, InputTokens, OutputTokens) AS unknown
    FROM
    (
        SELECT
            *,
            TraceHash,
            PriceKey AS Price,
            sightlineCallOnLine(book, PriceKey, sightlineServiceTier(ServiceTier), toDateTime(Timestamp, 'UTC')) AS place,
            sightlinePeriod(book, place, roundDown(place, tupleElement(book, 3))) AS period
        FROM llm_calls
    )
);
