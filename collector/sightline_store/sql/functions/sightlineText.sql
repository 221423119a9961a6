-- An attribute value (OTLP AnyValue) as text: scalars plain, arrays as JSON, bytes as base64.
CREATE FUNCTION sightlineText AS v -> multiIf(
    tupleElement(v, 'kind') = 'string', tupleElement(v, 'string_value'),
    tupleElement(v, 'kind') = 'int', toString(tupleElement(v, 'int_value')),
    tupleElement(v, 'kind') = 'double', sightlineDouble(tupleElement(v, 'double_value')),
    tupleElement(v, 'kind') = 'bool', toString(tupleElement(v, 'bool_value')),
    tupleElement(v, 'kind') = 'array', sightlineArray(tupleElement(tupleElement(v, 'array_value'), 'values')),
    base64Encode(tupleElement(v, 'bytes_value')));
