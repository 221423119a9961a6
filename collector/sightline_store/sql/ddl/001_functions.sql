-- SQL functions that turn OTLP values into the text that the official ClickHouse exporter writes.

-- A scalar inside an array, as JSON text.
CREATE FUNCTION IF NOT EXISTS sightlineJsonScalar AS v -> multiIf(
    isNotNull(tupleElement(v, 'int_value')), toString(tupleElement(v, 'int_value')),
    isNotNull(tupleElement(v, 'double_value')), toString(tupleElement(v, 'double_value')),
    isNotNull(tupleElement(v, 'bool_value')), if(assumeNotNull(tupleElement(v, 'bool_value')), 'true', 'false'),
    tupleElement(v, 'bytes_value') != '', toJSONString(base64Encode(tupleElement(v, 'bytes_value'))),
    toJSONString(tupleElement(v, 'string_value')));

-- An attribute value (OTLP AnyValue) as text: scalars plain, arrays as JSON, bytes as base64.
CREATE FUNCTION IF NOT EXISTS sightlineText AS v -> assumeNotNull(multiIf(
    tupleElement(v, 'string_value') != '', tupleElement(v, 'string_value'),
    isNotNull(tupleElement(v, 'int_value')), toString(tupleElement(v, 'int_value')),
    isNotNull(tupleElement(v, 'double_value')), toString(tupleElement(v, 'double_value')),
    isNotNull(tupleElement(v, 'bool_value')), if(assumeNotNull(tupleElement(v, 'bool_value')), 'true', 'false'),
    notEmpty(tupleElement(tupleElement(v, 'array_value'), 'values')), concat('[', arrayStringConcat(arrayMap(x -> assumeNotNull(sightlineJsonScalar(x)), tupleElement(tupleElement(v, 'array_value'), 'values')), ','), ']'),
    tupleElement(v, 'bytes_value') != '', base64Encode(tupleElement(v, 'bytes_value')),
    ''));

-- OTLP attributes as Map(LowCardinality(String), String), sorted by key so that equal sets are equal maps.
CREATE FUNCTION IF NOT EXISTS sightlineAttributes AS attributes -> mapSort(mapFromArrays(
    tupleElement(attributes, 'key')::Array(LowCardinality(String)),
    arrayMap(a -> sightlineText(tupleElement(a, 'value')), attributes)));

-- A trace or span id as lowercase hex, '' where it is absent or all zero.
CREATE FUNCTION IF NOT EXISTS sightlineHexId AS id -> if(id = repeat('\0', length(id)), '', lower(hex(id)));
