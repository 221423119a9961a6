-- SQL functions that turn OTLP values into the text that the official ClickHouse exporter writes: pcommon.Value.AsString.
-- ClickHouse prints a double as Go does but for three things: NaN, the infinities, and the + of a large exponent.

-- A double as text, as Go's encoding/json prints it; what JSON cannot hold is spelled as OTLP/JSON spells it.
CREATE FUNCTION IF NOT EXISTS sightlineDouble AS d -> if(abs(d) < 1e21, toString(d),
    transform(replaceOne(toString(d), 'e', 'e+'), ['nan', 'inf', '-inf'], ['NaN', 'Infinity', '-Infinity']));

-- A scalar inside an array, as JSON text: bytes as base64, what has no value (and empty bytes) as null.
CREATE FUNCTION IF NOT EXISTS sightlineJsonScalar AS v -> multiIf(
    tupleElement(v, 'kind') = 'string', toJSONString(tupleElement(v, 'string_value')),
    tupleElement(v, 'kind') = 'int', toString(tupleElement(v, 'int_value')),
    tupleElement(v, 'kind') = 'double', sightlineDouble(tupleElement(v, 'double_value')),
    tupleElement(v, 'kind') = 'bool', toString(tupleElement(v, 'bool_value')),
    tupleElement(v, 'bytes_value') != '', concat('"', base64Encode(tupleElement(v, 'bytes_value')), '"'),
    'null');

-- An array of scalars as JSON text; '' where it holds a NaN or an infinity, which Go's encoder refuses as a whole.
-- Of the control characters, nine are spelled with capitals here (\u000B) and not there (\u000b): the same JSON, and a
-- pass over every array to lower them costs 6 % of an INSERT.
CREATE FUNCTION IF NOT EXISTS sightlineArray AS items -> if(
    arrayExists(d -> NOT isFinite(d), tupleElement(items, 'double_value')), '',
    concat('[', arrayStringConcat(arrayMap(x -> sightlineJsonScalar(x), items), ','), ']'));

-- An attribute value (OTLP AnyValue) as text: scalars plain, arrays as JSON, bytes as base64.
CREATE FUNCTION IF NOT EXISTS sightlineText AS v -> multiIf(
    tupleElement(v, 'kind') = 'string', tupleElement(v, 'string_value'),
    tupleElement(v, 'kind') = 'int', toString(tupleElement(v, 'int_value')),
    tupleElement(v, 'kind') = 'double', sightlineDouble(tupleElement(v, 'double_value')),
    tupleElement(v, 'kind') = 'bool', toString(tupleElement(v, 'bool_value')),
    tupleElement(v, 'kind') = 'array', sightlineArray(tupleElement(tupleElement(v, 'array_value'), 'values')),
    base64Encode(tupleElement(v, 'bytes_value')));

-- OTLP attributes as Map(LowCardinality(String), String), sorted by key so that equal sets are equal maps. Of equal
-- keys all are kept, in the order that they came (in maps of more than some 16 entries the order among those is open).
CREATE FUNCTION IF NOT EXISTS sightlineAttributes AS attributes -> mapSort((k, v) -> k, mapFromArrays(
    tupleElement(attributes, 'key')::Array(LowCardinality(String)),
    arrayMap(a -> sightlineText(tupleElement(a, 'value')), attributes)));

-- A trace or span id as lowercase hex, '' where it is absent or all zero.
CREATE FUNCTION IF NOT EXISTS sightlineHexId AS id -> if(id = repeat('\0', length(id)), '', lower(hex(id)));

-- An exemplar's id as lowercase hex of that many bytes: one that is absent is written as zeros.
CREATE FUNCTION IF NOT EXISTS sightlineExemplarId AS (id, size) -> lower(hex(rightPad(id, size, '\0')));

-- Nanoseconds since 1970 as DateTime, which is what the metric tables hold; later than 2106 becomes its last second.
CREATE FUNCTION IF NOT EXISTS sightlineSeconds AS ns -> toDateTime(least(intDiv(ns, 1000000000), 4294967295), 'UTC');

-- The value of a metric's number point or exemplar: Float64 whether it was sent as an integer or as a double.
CREATE FUNCTION IF NOT EXISTS sightlineNumber AS p -> if(
    tupleElement(p, 'as_int') != 0, toFloat64(tupleElement(p, 'as_int')), tupleElement(p, 'as_double'));
