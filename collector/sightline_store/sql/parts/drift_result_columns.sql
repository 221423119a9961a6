-- One comparison of a drift run: see evals/sightline_evals/drift/results.py.
toUnixTimestamp64Milli(Timestamp) AS at_ms,
substring(toString(Name), 7) AS signal,
toString(Label) AS state,
Value AS effect,
JSONExtract(Explanation, 'low', 'Nullable(Float64)') AS low,
JSONExtract(Explanation, 'high', 'Nullable(Float64)') AS high,
JSONExtract(Explanation, 'p', 'Nullable(Float64)') AS p,
JSONExtractString(Explanation, 'key') AS key,
JSONExtractString(Explanation, 'kind') AS kind,
JSONExtract(Explanation, 'reference', 'Nullable(Float64)') AS reference,
JSONExtract(Explanation, 'current', 'Nullable(Float64)') AS current,
JSONExtractInt(Explanation, 'reference_n') AS reference_n,
JSONExtractInt(Explanation, 'current_n') AS current_n
