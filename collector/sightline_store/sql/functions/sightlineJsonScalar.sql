-- A scalar inside an array, as JSON text: bytes as base64, what has no value (and empty bytes) as null.
CREATE FUNCTION sightlineJsonScalar AS v -> multiIf(
    tupleElement(v, 'kind') = 'string', toJSONString(tupleElement(v, 'string_value')),
    tupleElement(v, 'kind') = 'int', toString(tupleElement(v, 'int_value')),
    tupleElement(v, 'kind') = 'double', sightlineDouble(tupleElement(v, 'double_value')),
    tupleElement(v, 'kind') = 'bool', toString(tupleElement(v, 'bool_value')),
    tupleElement(v, 'bytes_value') != '', concat('"', base64Encode(tupleElement(v, 'bytes_value')), '"'),
    'null');
