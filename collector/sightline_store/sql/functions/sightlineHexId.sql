-- A trace or span id as lowercase hex, '' where it is absent or all zero.
CREATE FUNCTION sightlineHexId AS id -> if(id = repeat('\0', length(id)), '', lower(hex(id)));
