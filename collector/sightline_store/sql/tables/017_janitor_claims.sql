-- Claims of the processes that want to do the housekeeping (lease.py). SinceUs is the moment of a process's first claim by
-- the store's clock, in microseconds of Unix time; ClaimedAt is that of its latest claim.
CREATE TABLE IF NOT EXISTS janitor_claims
(
    Owner String,
    SinceUs UInt64,
    ClaimedAt DateTime64(6) DEFAULT now64(6),
    Released Bool DEFAULT false
)
ENGINE = ReplacingMergeTree(ClaimedAt) ORDER BY Owner
TTL toDateTime(ClaimedAt) + toIntervalDay(1);
