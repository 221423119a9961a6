-- What comes from Kafka was flattened by nobody. A value that nests deeper than the schema (a map, an array in an array)
-- is kept as the bytes that were sent: 'protobuf:' and the base64 of its KeyValueList or ArrayValue.
-- The twins of sightlineJsonScalar, sightlineArray, sightlineText and sightlineAttributes of sql/functions.
CREATE FUNCTION IF NOT EXISTS sightlineKafkaJsonScalar AS v -> multiIf(
    tupleElement(v, 'kind') = 'array', concat('"protobuf:', base64Encode(tupleElement(v, 'array_value')), '"'),
    tupleElement(v, 'kind') = 'kvlist', concat('"protobuf:', base64Encode(tupleElement(v, 'kvlist_value')), '"'),
    sightlineJsonScalar(v));

CREATE FUNCTION IF NOT EXISTS sightlineKafkaArray AS items -> if(
    arrayExists(d -> NOT isFinite(d), tupleElement(items, 'double_value')), '',
    concat('[', arrayStringConcat(arrayMap(x -> sightlineKafkaJsonScalar(x), items), ','), ']'));

CREATE FUNCTION IF NOT EXISTS sightlineKafkaText AS v -> multiIf(
    tupleElement(v, 'kind') = 'kvlist', concat('protobuf:', base64Encode(tupleElement(v, 'kvlist_value'))),
    tupleElement(v, 'kind') = 'array', sightlineKafkaArray(tupleElement(tupleElement(v, 'array_value'), 'values')),
    sightlineText(v));

CREATE FUNCTION IF NOT EXISTS sightlineKafkaAttributes AS attributes -> mapSort((k, v) -> k, mapFromArrays(
    tupleElement(attributes, 'key')::Array(LowCardinality(String)),
    arrayMap(a -> sightlineKafkaText(tupleElement(a, 'value')), attributes)));
