-- Written by `python -m sightline_store.conventions.canonical` from the alias table (aliases.py): edit that.
CREATE MATERIALIZED VIEW calls_canonical_to_duplicate_calls TO duplicate_calls AS
SELECT Timestamp, TraceId, Kind, facts AS Facts, StoredAt
FROM calls_canonical
WHERE is_duplicate;
