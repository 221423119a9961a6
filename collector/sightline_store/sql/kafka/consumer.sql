-- One topic of otlp_proto messages, read by ClickHouse itself. A message is one Export...ServiceRequest.
-- Offsets are committed after the rows of a block are in their tables (fsynced): at least once, see docs/scale.md.
CREATE TABLE IF NOT EXISTS ${kafka}.otlp_${signal}
(
    ${shape}
)
ENGINE = Kafka
SETTINGS kafka_broker_list = ${brokers}, kafka_topic_list = ${topic}, kafka_group_name = ${group}, ${security}
    kafka_num_consumers = ${consumers}, kafka_thread_per_consumer = 1,
    kafka_flush_interval_ms = ${flush_interval_ms}, kafka_max_block_size = ${block_messages}, kafka_poll_max_batch_size = ${block_messages},
    kafka_handle_error_mode = 'stream',
    kafka_format = 'ProtobufSingle', format_schema_source = 'string', format_schema_message_name = ${message},
    input_format_protobuf_oneof_presence = 1, output_format_json_escape_forward_slashes = 0,
    format_schema = ${schema};

-- What was read, before it goes into any table: ClickHouse begins to read with the first view of a Kafka table, and what
-- it reads before the others are there would never come to them. So there is one, made last (reading.sql).
CREATE TABLE IF NOT EXISTS ${kafka}.otlp_${signal}_read
(
    ${shape},
    _topic LowCardinality(String),
    _partition UInt64,
    _offset UInt64,
    _timestamp_ms Nullable(DateTime64(3)),
    _key String,
    _error String,
    _raw_message String
)
ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS ${kafka}.otlp_${signal}_to_kafka_errors TO ${database}.kafka_errors AS
SELECT
    now() AS ReadAt,
    _topic AS Topic,
    _partition AS Partition,
    _offset AS Offset,
    _timestamp_ms AS SentAt,
    _key AS MessageKey,
    _error AS Error,
    _raw_message AS Message
FROM ${kafka}.otlp_${signal}_read
WHERE _error != '';
