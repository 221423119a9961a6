-- The prices that hold now.
CREATE VIEW model_prices_current AS
SELECT *, ReadyRates
FROM model_prices FINAL
QUALIFY UpdatedAt = max(UpdatedAt) OVER (PARTITION BY PriceKey, ServiceTier);
