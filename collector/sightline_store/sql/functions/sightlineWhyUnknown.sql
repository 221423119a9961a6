-- sightlineCostUnknown in words. An Enum, which is summed up as a number.
CREATE FUNCTION sightlineWhyUnknown AS unknown -> CAST(unknown,
    'Enum8(\'\' = 0, \'no price is known\' = 1, \'the number of tokens is unknown\' = 2, \'a part has no price\' = 3)');
