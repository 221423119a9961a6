-- What a call's cost is, '' where it is unknown. An Enum, which is counted as a number.
CREATE FUNCTION sightlineCostBasis AS (unknown, second_usd, reported) -> CAST(
    multiIf(unknown > 0, if(isNull(reported), 0, 2), second_usd >= 0, 3, 1),
    'Enum8(\'\' = 0, \'computed\' = 1, \'reported\' = 2, \'local\' = 3)');
