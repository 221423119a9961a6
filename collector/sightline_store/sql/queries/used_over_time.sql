-- Which versions of services, indexes, embeddings and models were in use? One row a bucket, kind, subject and value, in the order of time.
-- include: uses_of_rows.sql
ORDER BY bucket, kind, subject, value
LIMIT {limit:UInt32}
