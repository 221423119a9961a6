-- Provider, model and service tier of every call.
SELECT DISTINCT PriceKey, ServiceTier
FROM priced_names
