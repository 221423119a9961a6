-- Whether the cost that a span reports differs from the one computed from tokens and prices by more than 1 % of the larger one.
CREATE FUNCTION sightlineCostDiffers AS (unknown, second_usd, computed, reported) ->
    unknown = 0 AND second_usd < 0 AND ifNull(abs(reported - computed) > 0.01 * greatest(reported, computed), false);
