-- What a million tokens cost, from when on. PriceKey is provider/model as spans tell them; NULL is unknown, never 0.
-- The rows of a key and service tier that were written last, together, are the ones that hold: a correction is written
-- as a whole and re-prices history. A name that was looked up in vain has one row without prices. Basis says what the
-- rows were looked up in; '' was entered by a person, and only a person changes it.
-- Rates: prices that take the place of the row's where the call had more input tokens than AboveInput and began between
-- the seconds FromS and ToS of the day (UTC; past midnight where FromS > ToS). The first that fits wins. In a call, all
-- tokens cost the rate that fits.
-- ReadyRates: the row's own rate, then Rates, as sightlineRate has them.
CREATE TABLE IF NOT EXISTS model_prices
(
    PriceKey LowCardinality(String),
    ServiceTier LowCardinality(String),
    ValidFrom DateTime,
    InputUsdPerMtok Nullable(Float64),
    CacheReadUsdPerMtok Nullable(Float64),
    CacheWriteUsdPerMtok Nullable(Float64),
    CacheWrite1hUsdPerMtok Nullable(Float64),
    InputAudioUsdPerMtok Nullable(Float64),
    OutputUsdPerMtok Nullable(Float64),
    OutputAudioUsdPerMtok Nullable(Float64),
    ReasoningUsdPerMtok Nullable(Float64),
    RequestUsd Nullable(Float64),
    Rates Array(Tuple(
        AboveInput Int64, FromS UInt32, ToS UInt32,
        InputUsdPerMtok Nullable(Float64), CacheReadUsdPerMtok Nullable(Float64), CacheWriteUsdPerMtok Nullable(Float64),
        CacheWrite1hUsdPerMtok Nullable(Float64), InputAudioUsdPerMtok Nullable(Float64), OutputUsdPerMtok Nullable(Float64),
        OutputAudioUsdPerMtok Nullable(Float64), ReasoningUsdPerMtok Nullable(Float64), RequestUsd Nullable(Float64))),
    ReadyRates Array(Tuple(Float64, Float64, Float64, Float64, Float64, Float64, Float64, Float64, Float64, UInt8))
        MATERIALIZED arrayMap(rate -> sightlineRate(rate), arrayPushFront(Rates, tuple(
            toInt64(-1), toUInt32(0), toUInt32(86400), InputUsdPerMtok, CacheReadUsdPerMtok, CacheWriteUsdPerMtok,
            CacheWrite1hUsdPerMtok, InputAudioUsdPerMtok, OutputUsdPerMtok, OutputAudioUsdPerMtok, ReasoningUsdPerMtok,
            RequestUsd))),
    PricedModel LowCardinality(String),
    Note LowCardinality(String),
    Source LowCardinality(String),
    Basis LowCardinality(String),
    UpdatedAt DateTime64(6) DEFAULT now64(6)
)
ENGINE = ReplacingMergeTree(UpdatedAt) ORDER BY (PriceKey, ServiceTier, ValidFrom)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
