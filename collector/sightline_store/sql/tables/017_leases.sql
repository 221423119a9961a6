-- Claims of the processes that want a right that one of them holds at a time (lease.py): Name is the right, SinceUs the
-- moment of a process's first claim by the store's clock, in microseconds of Unix time, ClaimedAt that of its latest one.
CREATE TABLE IF NOT EXISTS leases
(
    Name LowCardinality(String),
    Owner String,
    SinceUs UInt64,
    ClaimedAt DateTime64(6) DEFAULT now64(6),
    Released Bool DEFAULT false
)
ENGINE = ReplacingMergeTree(ClaimedAt) ORDER BY (Name, Owner)
TTL toDateTime(ClaimedAt) + toIntervalDay(1);
