-- What the evaluator of alerts knows (docs/alerts.md). A rule goes through phases: one row each, by the number of the episode and
-- the status (ok, pending, firing, resolved). The newest row of a rule is its state, and the rows together are its history: so
-- a change of state and its event are one row, stored in one INSERT. Every evaluation writes the row of the phase anew.
-- Value, Peak and Threshold are in the unit of the rule's metric. Definition is the rule as JSON, Sentence what is told.
CREATE TABLE IF NOT EXISTS alert_events
(
    Rule LowCardinality(String),
    Episode UInt32,
    Status LowCardinality(String),
    Since DateTime64(3, 'UTC'),
    SeenAt DateTime64(3, 'UTC'),
    BreachedSince Nullable(DateTime64(3, 'UTC')),
    ClearSince Nullable(DateTime64(3, 'UTC')),
    ResolvedAt Nullable(DateTime64(3, 'UTC')),
    Value Nullable(Float64),
    Peak Nullable(Float64),
    Threshold Float64,
    Events Float64,
    Severity LowCardinality(String),
    Channels Array(LowCardinality(String)),
    Sentence String CODEC(ZSTD(1)),
    Definition String CODEC(ZSTD(1)),
    WrittenAt DateTime64(6) DEFAULT now64(6)
)
ENGINE = ReplacingMergeTree(WrittenAt) ORDER BY (Rule, Episode, Status)
TTL toDateTime(SeenAt) + toIntervalDay(400)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- What became of telling a channel about a phase: State is waiting, sent, silenced or abandoned. No row: nobody has tried.
CREATE TABLE IF NOT EXISTS alert_deliveries
(
    Rule LowCardinality(String),
    Episode UInt32,
    Status LowCardinality(String),
    Channel LowCardinality(String),
    State LowCardinality(String),
    Attempts UInt16,
    NextAt DateTime64(3, 'UTC'),
    Problem String CODEC(ZSTD(1)),
    WrittenAt DateTime64(6) DEFAULT now64(6)
)
ENGINE = ReplacingMergeTree(WrittenAt) ORDER BY (Rule, Episode, Status, Channel)
TTL toDateTime(WrittenAt) + toIntervalDay(400)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- Times in which a rule ('*': every rule) tells nobody. A silence is ended early by a newer row with an earlier EndsAt.
CREATE TABLE IF NOT EXISTS alert_silences
(
    Id String,
    Rule LowCardinality(String),
    BeginsAt DateTime64(3, 'UTC'),
    EndsAt DateTime64(3, 'UTC'),
    Reason String CODEC(ZSTD(1)),
    Author LowCardinality(String),
    WrittenAt DateTime64(6) DEFAULT now64(6)
)
ENGINE = ReplacingMergeTree(WrittenAt) ORDER BY Id
TTL toDateTime(EndsAt) + toIntervalDay(400)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
