-- The same for embeddings, which only take tokens in.
CREATE VIEW embeddings_priced AS
WITH (SELECT tuple(*) FROM price_book) AS book
SELECT
    * EXCEPT (place, period, rate, unknown),
    if(unknown = 0, sightlineCostUsd(rate, ifNull(InputTokens, 0), 0, 0, 0, 0, 0, 0, 0), NULL) AS CostUsd,
    sightlineWhyUnknown(unknown) AS CostUnknown
FROM
(
    SELECT
        *,
        sightlineRateOf(book, period, InputTokens, toUnixTimestamp(toDateTime(Timestamp, 'UTC')) % 86400) AS rate,
        sightlineCostUnknown(rate, InputTokens, 0) AS unknown
    FROM
    (
        SELECT
            *,
            TraceHash,
            PriceKey AS Price,
            sightlineCallOnLine(book, PriceKey, '', toDateTime(Timestamp, 'UTC')) AS place,
            sightlinePeriod(book, place, roundDown(place, tupleElement(book, 3))) AS period
        FROM embeddings
    )
);
