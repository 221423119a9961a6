-- Service tiers that cost the standard price, as ''.
CREATE FUNCTION sightlineServiceTier AS
    tier -> transform(lower(tier), ['auto', 'default', 'standard', 'on_demand'], ['', '', '', '']);
