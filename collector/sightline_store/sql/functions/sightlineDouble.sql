-- SQL functions that turn OTLP values into the text that the official ClickHouse exporter writes: pcommon.Value.AsString.
-- ClickHouse prints a double as Go does but for three things: NaN, the infinities, and the + of a large exponent.
-- A double as text, as Go's encoding/json prints it; what JSON cannot hold is spelled as OTLP/JSON spells it.
CREATE FUNCTION sightlineDouble AS d -> if(abs(d) < 1e21, toString(d),
    transform(replaceOne(toString(d), 'e', 'e+'), ['nan', 'inf', '-inf'], ['NaN', 'Infinity', '-Infinity']));
