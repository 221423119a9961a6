-- What `settle` needs to bring together the spans of a trace that came in several INSERTs (settle.py). StoredAt is the
-- moment of the INSERT, the same for all of its rows; 1970-01-01 in rows from before this column.
-- RequestRank says how sure it is that the span is a request (conventions/requests.py); 0 in rows from before.
ALTER TABLE requests ADD COLUMN IF NOT EXISTS RequestRank UInt8, ADD COLUMN IF NOT EXISTS StoredAt DateTime64(6) CODEC(Delta, LZ4);
ALTER TABLE llm_calls ADD COLUMN IF NOT EXISTS ScopeName LowCardinality(String), ADD COLUMN IF NOT EXISTS StoredAt DateTime64(6) CODEC(Delta, LZ4);
ALTER TABLE retrievals ADD COLUMN IF NOT EXISTS ScopeName LowCardinality(String), ADD COLUMN IF NOT EXISTS StoredAt DateTime64(6) CODEC(Delta, LZ4);
ALTER TABLE embeddings ADD COLUMN IF NOT EXISTS ScopeName LowCardinality(String), ADD COLUMN IF NOT EXISTS StoredAt DateTime64(6) CODEC(Delta, LZ4);
ALTER TABLE stages ADD COLUMN IF NOT EXISTS StoredAt DateTime64(6) CODEC(Delta, LZ4);
ALTER TABLE errors ADD COLUMN IF NOT EXISTS StoredAt DateTime64(6) CODEC(Delta, LZ4);
ALTER TABLE scores ADD COLUMN IF NOT EXISTS StoredAt DateTime64(6) CODEC(Delta, LZ4);
