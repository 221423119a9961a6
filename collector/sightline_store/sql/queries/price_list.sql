-- Which provider and model names were called, and what is known of their prices now? The unknown ones first.
SELECT
    toString(n.PriceKey) AS price_key,
    toString(n.ServiceTier) AS service_tier,
    p.known AS known,
    p.valid_from AS valid_from,
    p.prices.1 AS input,
    p.prices.2 AS cache_read,
    p.prices.3 AS cache_write,
    p.prices.4 AS output,
    p.special_rates AS special_rates,
    p.periods AS periods,
    p.priced_model AS priced_model,
    p.price_note AS note,
    p.price_source AS source,
    n.calls AS calls,
    n.last_seen AS last_seen
FROM
(
    SELECT PriceKey, ServiceTier, sum(Calls) AS calls, max(LastSeen) AS last_seen
    FROM priced_names
    GROUP BY PriceKey, ServiceTier
) AS n
LEFT JOIN
(
    SELECT
        PriceKey, ServiceTier,
        max(isNotNull(coalesce(InputUsdPerMtok, OutputUsdPerMtok, RequestUsd)) OR notEmpty(Rates)) AS known,
        maxIf(ValidFrom, ValidFrom <= now()) AS valid_from,
        argMaxIf(
            tuple(InputUsdPerMtok, CacheReadUsdPerMtok, CacheWriteUsdPerMtok, OutputUsdPerMtok), ValidFrom,
            ValidFrom <= now()) AS prices,
        argMaxIf(length(Rates), ValidFrom, ValidFrom <= now()) AS special_rates,
        count() AS periods,
        toString(any(PricedModel)) AS priced_model,
        toString(any(Note)) AS price_note,
        toString(argMax(Source, ValidFrom)) AS price_source
    FROM model_prices_current
    GROUP BY PriceKey, ServiceTier
) AS p ON n.PriceKey = p.PriceKey AND n.ServiceTier = p.ServiceTier
ORDER BY known, calls DESC, price_key, service_tier
