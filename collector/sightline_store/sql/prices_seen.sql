-- Names that were called.
SELECT DISTINCT PriceKey, ServiceTier
FROM priced_names
