-- With which definition the rows of a day of a typed table were made (schema/definitions.py). Definition is 16 hex digits
-- of the SQL that makes them. Day 1970-01-01 stands for every day of the table that has no row of its own here.
CREATE TABLE IF NOT EXISTS row_definitions
(
    TableName LowCardinality(String),
    Day Date,
    Definition String,
    RecordedAt DateTime64(6) DEFAULT now64(6)
)
ENGINE = ReplacingMergeTree(RecordedAt) ORDER BY (TableName, Day)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
