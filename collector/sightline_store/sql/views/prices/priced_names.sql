-- The names that were called, and how often.
CREATE VIEW priced_names AS
SELECT PriceKey, ServiceTier, sum(Calls) AS Calls, max(LastSeen) AS LastSeen
FROM
(
    SELECT PriceKey, sightlineServiceTier(ServiceTier) AS ServiceTier, count() AS Calls, max(Timestamp) AS LastSeen
    FROM llm_calls
    GROUP BY PriceKey, ServiceTier
    UNION ALL
    SELECT PriceKey, '' AS ServiceTier, count() AS Calls, max(Timestamp) AS LastSeen
    FROM embeddings
    GROUP BY PriceKey, ServiceTier
)
WHERE PriceKey NOT IN ('', '/')
GROUP BY PriceKey, ServiceTier;
