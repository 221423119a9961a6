-- A hash of the prices that hold now, whatever order they are read in.
(SELECT sum(cityHash64(toString((PriceKey, ServiceTier, ValidFrom, Rates, SecondUsd, ReadyRates)))) FROM model_prices_current)
