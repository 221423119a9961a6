-- OTLP attributes as Map(LowCardinality(String), String), sorted by key so that equal sets are equal maps. Of equal
-- keys all are kept, in the order that they came (in maps of more than some 16 entries the order among those is open).
CREATE FUNCTION sightlineAttributes AS attributes -> mapSort((k, v) -> k, mapFromArrays(
    tupleElement(attributes, 'key')::Array(LowCardinality(String)),
    arrayMap(a -> sightlineText(tupleElement(a, 'value')), attributes)));
