-- An exemplar's id as lowercase hex of that many bytes: one that is absent is written as zeros.
CREATE FUNCTION sightlineExemplarId AS (id, size) -> lower(hex(rightPad(id, size, '\0')));
