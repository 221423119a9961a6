-- What a million tokens cost, from when on. PriceKey is provider/model as spans tell them; NULL is unknown, never 0.
-- The rows of a key and service tier that were written last, together, are the ones that hold: a correction is written
-- as a whole and re-prices history. A name that was looked up in vain has one row without prices. Basis says what the
-- rows were looked up in; '' is made by hand, and then nothing but a hand changes them.
-- Rates: prices that take the place of the row's where the call had more input tokens than AboveInput and began between
-- the seconds FromS and ToS of the day (UTC; past midnight where FromS > ToS). The first that fits wins. In a call, all
-- tokens cost the rate that fits.
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
    PricedModel LowCardinality(String),
    Note LowCardinality(String),
    Source LowCardinality(String),
    Basis LowCardinality(String),
    UpdatedAt DateTime64(6) DEFAULT now64(6)
)
ENGINE = ReplacingMergeTree(UpdatedAt) ORDER BY (PriceKey, ServiceTier, ValidFrom)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- The prices that hold now, each with an id of its own.
CREATE VIEW IF NOT EXISTS model_prices_current AS
SELECT *, bitShiftRight(cityHash64(PriceKey, ServiceTier, ValidFrom, UpdatedAt), 1) AS PriceId
FROM model_prices FINAL
WHERE (PriceKey, ServiceTier, UpdatedAt) IN (
    SELECT PriceKey, ServiceTier, max(UpdatedAt) FROM model_prices GROUP BY PriceKey, ServiceTier);

-- Their rates, ready to multiply: RateId is PriceId + 1 plus the number of the special rate, 0 the usual one. Tokens of a kind
-- without a price of its own cost what the kind that they are inside of costs. A price that is unknown is 0 here, and the
-- column that says so decides whether there is a cost at all.
CREATE VIEW IF NOT EXISTS model_rates AS
SELECT
    toUInt64(PriceId + index) AS RateId,
    tuple(
        ifNull(rate.4, 0.), coalesce(rate.5, rate.4, 0.), coalesce(rate.6, rate.4, 0.), coalesce(rate.7, rate.6, rate.4, 0.),
        ifNull(rate.8, 0.), ifNull(rate.9, 0.), ifNull(rate.10, 0.), ifNull(rate.11, 0.), ifNull(rate.12, 0.),
        toUInt8(isNotNull(rate.8)), toUInt8(isNotNull(rate.10)), toUInt8(isNotNull(rate.11))) AS Rate,
    isNotNull(rate.4) AS HasInput,
    isNotNull(rate.9) AS HasOutput,
    isNotNull(coalesce(rate.4, rate.9, rate.12)) AS HasPrice
FROM model_prices_current
ARRAY JOIN
    arrayPushFront(Rates, tuple(toInt64(-1), toUInt32(0), toUInt32(86400), InputUsdPerMtok, CacheReadUsdPerMtok,
        CacheWriteUsdPerMtok, CacheWrite1hUsdPerMtok, InputAudioUsdPerMtok, OutputUsdPerMtok, OutputAudioUsdPerMtok,
        ReasoningUsdPerMtok, RequestUsd)) AS rate,
    arrayEnumerate(arrayPushFront(Rates.AboveInput, toInt64(-1))) AS index;

-- The number of the special rate that holds for a call of so much input in that second of the day, 0 where none does.
CREATE FUNCTION IF NOT EXISTS sightlineRateNumber AS (rates, input, second) -> arrayFirstIndex(
    (above, from_s, to_s) -> ifNull(input, 0) > above
        AND ((from_s <= second) + (second < to_s) + (from_s > to_s)) >= 2,
    tupleElement(rates, 'AboveInput'), tupleElement(rates, 'FromS'), tupleElement(rates, 'ToS'));

-- What a call cost, in USD: the one place where cost is computed; rate is a model_rates.Rate. Cached and spoken tokens are
-- inside input (and output), the hour's cache writes inside the cache writes, reasoning inside output.
CREATE FUNCTION IF NOT EXISTS sightlineCostUsd AS
    (rate, input, cache_read, cache_write, cache_write_1h, input_audio, output, output_audio, reasoning) ->
    (greatest(0, input - cache_read - cache_write - input_audio * tupleElement(rate, 10)) * tupleElement(rate, 1)
        + cache_read * tupleElement(rate, 2)
        + (cache_write - least(cache_write, cache_write_1h)) * tupleElement(rate, 3)
        + least(cache_write, cache_write_1h) * tupleElement(rate, 4)
        + input_audio * tupleElement(rate, 10) * tupleElement(rate, 5)
        + greatest(0, output - output_audio * tupleElement(rate, 11) - reasoning * tupleElement(rate, 12)) * tupleElement(rate, 6)
        + output_audio * tupleElement(rate, 11) * tupleElement(rate, 7)
        + reasoning * tupleElement(rate, 12) * tupleElement(rate, 8)) / 1e6
    + tupleElement(rate, 9);

-- Service tiers that cost the standard price, as ''.
CREATE FUNCTION IF NOT EXISTS sightlineServiceTier AS told ->
    if(lower(told) IN ('', 'auto', 'default', 'standard', 'on_demand'), '', lower(told));

-- Calls with their price, joined when asked, so that a corrected price re-prices history. CostUsd is NULL where a number of
-- tokens or a price that it needs is unknown, and CostUnknown says which.
CREATE VIEW IF NOT EXISTS llm_calls_priced AS
SELECT
    c.* EXCEPT (RateId),
    if(r.HasPrice AND isNotNull(c.InputTokens) AND isNotNull(c.OutputTokens)
            AND (r.HasInput OR c.InputTokens = 0) AND (r.HasOutput OR c.OutputTokens = 0),
        sightlineCostUsd(
            r.Rate, c.InputTokens, ifNull(c.CacheReadTokens, 0), ifNull(c.CacheWriteTokens, 0),
            ifNull(c.CacheWrite1hTokens, 0), ifNull(c.InputAudioTokens, 0), c.OutputTokens,
            ifNull(c.OutputAudioTokens, 0), ifNull(c.ReasoningTokens, 0)),
        NULL) AS CostUsd,
    multiIf(
        NOT r.HasPrice, 'no price is known',
        isNull(c.InputTokens) OR isNull(c.OutputTokens), 'tokens are not told',
        NOT ((r.HasInput OR c.InputTokens = 0) AND (r.HasOutput OR c.OutputTokens = 0)), 'a part has no price',
        '') AS CostUnknown
FROM
(
    SELECT
        c.*,
        c.TraceHash AS TraceHash,
        c.PriceKey AS Price,
        p.PricedModel AS PricedModel,
        p.Note AS PriceNote,
        toUInt64(p.PriceId + 1 + sightlineRateNumber(
            p.Rates, c.InputTokens, toUInt32(toUnixTimestamp(c.Timestamp) % 86400))) AS RateId
    FROM llm_calls AS c
    ASOF LEFT JOIN model_prices_current AS p
        ON c.PriceKey = p.PriceKey AND sightlineServiceTier(c.ServiceTier) = p.ServiceTier
            AND toDateTime(c.Timestamp) >= p.ValidFrom
) AS c
LEFT JOIN model_rates AS r ON c.RateId = r.RateId;

-- The same for embeddings, which only take tokens in.
CREATE VIEW IF NOT EXISTS embeddings_priced AS
SELECT
    c.* EXCEPT (RateId),
    if(r.HasPrice AND isNotNull(c.InputTokens) AND (r.HasInput OR c.InputTokens = 0),
        sightlineCostUsd(r.Rate, c.InputTokens, 0, 0, 0, 0, 0, 0, 0), NULL) AS CostUsd,
    multiIf(
        NOT r.HasPrice, 'no price is known',
        isNull(c.InputTokens), 'tokens are not told',
        NOT (r.HasInput OR c.InputTokens = 0), 'a part has no price',
        '') AS CostUnknown
FROM
(
    SELECT
        c.*,
        c.TraceHash AS TraceHash,
        c.PriceKey AS Price,
        p.PricedModel AS PricedModel,
        p.Note AS PriceNote,
        toUInt64(p.PriceId + 1 + sightlineRateNumber(
            p.Rates, c.InputTokens, toUInt32(toUnixTimestamp(c.Timestamp) % 86400))) AS RateId
    FROM embeddings AS c
    ASOF LEFT JOIN model_prices_current AS p
        ON c.PriceKey = p.PriceKey AND '' = p.ServiceTier AND toDateTime(c.Timestamp) >= p.ValidFrom
) AS c
LEFT JOIN model_rates AS r ON c.RateId = r.RateId;

-- The names that were called, and how often.
CREATE VIEW IF NOT EXISTS priced_names AS
SELECT PriceKey, ServiceTier, sum(Calls) AS Calls, max(LastSeen) AS LastSeen
FROM
(
    SELECT PriceKey, sightlineServiceTier(ServiceTier) AS ServiceTier, count() AS Calls, max(Timestamp) AS LastSeen
    FROM llm_calls
    GROUP BY PriceKey, ServiceTier
    UNION ALL
    SELECT PriceKey, '' AS ServiceTier, count() AS Calls, max(Timestamp) AS LastSeen
    FROM embeddings
    GROUP BY PriceKey, ServiceTier
)
WHERE PriceKey NOT IN ('', '/')
GROUP BY PriceKey, ServiceTier;
