-- An array of scalars as JSON text; '' where it holds a NaN or an infinity, which Go's encoder refuses as a whole.
-- Of the control characters, nine are spelled with capitals here (\u000B) and not there (\u000b): the same JSON, and a
-- pass over every array to lower them costs 6 % of an INSERT.
CREATE FUNCTION sightlineArray AS items -> if(
    arrayExists(d -> NOT isFinite(d), tupleElement(items, 'double_value')), '',
    concat('[', arrayStringConcat(arrayMap(x -> sightlineJsonScalar(x), items), ','), ']'));
