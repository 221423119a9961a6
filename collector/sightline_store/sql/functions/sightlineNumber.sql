-- The value of a metric's number point or exemplar: Float64 whether it was sent as an integer or as a double.
CREATE FUNCTION sightlineNumber AS p -> if(
    tupleElement(p, 'as_int') != 0, toFloat64(tupleElement(p, 'as_int')), tupleElement(p, 'as_double'));
