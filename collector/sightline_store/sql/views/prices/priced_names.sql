-- The names that were called, and how often. Tiers are spelled alike once calls are counted.
CREATE VIEW priced_names AS
SELECT PriceKey, sightlineServiceTier(told_tier) AS ServiceTier, sum(calls) AS Calls, max(seen) AS LastSeen
FROM
(
    SELECT PriceKey, ServiceTier AS told_tier, count() AS calls, max(Timestamp) AS seen
    FROM llm_calls
    GROUP BY PriceKey, told_tier
    UNION ALL
    SELECT PriceKey, '' AS told_tier, count() AS calls, max(Timestamp) AS seen
    FROM embeddings
    GROUP BY PriceKey
)
WHERE PriceKey NOT IN ('', '/')
GROUP BY PriceKey, ServiceTier;
