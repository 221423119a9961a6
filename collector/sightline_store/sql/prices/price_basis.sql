-- In what the prices of each name were looked up last; '' is entered by hand.
SELECT PriceKey, ServiceTier, argMax(Basis, UpdatedAt) AS Basis
FROM model_prices
GROUP BY PriceKey, ServiceTier
