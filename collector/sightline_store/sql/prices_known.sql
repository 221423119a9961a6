-- Names whose price was looked up, and in what.
SELECT PriceKey, ServiceTier, argMax(Basis, UpdatedAt) AS Basis
FROM model_prices
GROUP BY PriceKey, ServiceTier
