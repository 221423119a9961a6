-- A rate, ready to multiply. Tokens of a kind without a price of its own cost what the kind that they are inside of costs. A price
-- that is unknown is 0 here; the last number's bits say what has a price: 0 input, 1 output, 2 spoken input, 3 spoken
-- output, 4 reasoning, 5 anything.
CREATE FUNCTION IF NOT EXISTS sightlineRate AS rate -> tuple(
    ifNull(tupleElement(rate, 4), 0.),
    coalesce(tupleElement(rate, 5), tupleElement(rate, 4), 0.),
    coalesce(tupleElement(rate, 6), tupleElement(rate, 4), 0.),
    coalesce(tupleElement(rate, 7), tupleElement(rate, 6), tupleElement(rate, 4), 0.),
    ifNull(tupleElement(rate, 8), 0.),
    ifNull(tupleElement(rate, 9), 0.),
    ifNull(tupleElement(rate, 10), 0.),
    ifNull(tupleElement(rate, 11), 0.),
    ifNull(tupleElement(rate, 12), 0.),
    toUInt8(isNotNull(tupleElement(rate, 4)) + 2 * isNotNull(tupleElement(rate, 9)) + 4 * isNotNull(tupleElement(rate, 8))
        + 8 * isNotNull(tupleElement(rate, 10)) + 16 * isNotNull(tupleElement(rate, 11))
        + 32 * isNotNull(coalesce(tupleElement(rate, 4), tupleElement(rate, 9), tupleElement(rate, 12)))));

-- What a million tokens cost, from when on. PriceKey is provider/model as spans tell them; NULL is unknown, never 0.
-- The rows of a key and service tier that were written last, together, are the ones that hold: a correction is written
-- as a whole and re-prices history. A name that was looked up in vain has one row without prices. Basis says what the
-- rows were looked up in; '' is made by hand, and then nothing but a hand changes them.
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

-- The prices that hold now.
CREATE VIEW IF NOT EXISTS model_prices_current AS
SELECT *, ReadyRates
FROM model_prices FINAL
QUALIFY UpdatedAt = max(UpdatedAt) OVER (PARTITION BY PriceKey, ServiceTier);

-- Where a moment of a name and service tier lies on one line of numbers: those of a name and tier follow each other.
CREATE FUNCTION IF NOT EXISTS sightlineOnLine AS
    (name, tier, moment) -> (toUInt64(name) * 4096 + tier) * 4294967296 + toUnixTimestamp(moment);

-- The prices that hold now as one row of lists, which a question looks up for every call: a join would cost more than all
-- else in it. Names and tiers are numbered by their places in their lists. Starts are the beginnings of all periods on the line;
-- at the same place, Firsts is the place in Rates of the period's usual rate and Specials tells when the rates behind it hold. The
-- first period is that of what has no price.
CREATE VIEW IF NOT EXISTS price_book AS
SELECT
    arrayDistinct(groupArray(name)) AS Names,
    arrayDistinct(groupArray(tier)) AS Tiers,
    arrayPushFront(arrayMap((name, tier, start) -> sightlineOnLine(name, tier, start),
        arrayEnumerateDense(groupArray(name)), arrayEnumerateDense(groupArray(tier)), groupArray(ValidFrom)), 0) AS Starts,
    arrayPushFront(arrayCumSum(arrayPushFront(groupArray(length(ReadyRates)), 1)), 0) AS Firsts,
    arrayPushFront(groupArray(special), []) AS Specials,
    arrayFlatten(groupArray(ReadyRates)) AS Rates
FROM
(
    SELECT
        toString(PriceKey) AS name, toString(ServiceTier) AS tier, ValidFrom, ReadyRates,
        arrayMap(rate -> (rate.1, rate.2, rate.3), Rates) AS special
    FROM model_prices_current
);

-- Service tiers that cost the standard price, as ''.
CREATE FUNCTION IF NOT EXISTS sightlineServiceTier AS
    told -> transform(lower(told), ['auto', 'default', 'standard', 'on_demand'], ['', '', '', '']);

-- The same place for a call; names and tiers without a price have the number 0. Moments are DateTime: one out of its range wraps,
-- where a DateTime64 would fail the question.
CREATE FUNCTION IF NOT EXISTS sightlineCallOnLine AS (book, name, tier, moment) -> sightlineOnLine(
    transform(name, tupleElement(book, 1), arrayEnumerate(tupleElement(book, 1)), toUInt32(0)),
    transform(tier, tupleElement(book, 2), arrayEnumerate(tupleElement(book, 2)), toUInt32(0)), moment);

-- The number of the period in which a call lies, by its place on the line and the last start before that, which may be another
-- name's: then 1.
CREATE FUNCTION IF NOT EXISTS sightlinePeriod AS (book, place, start) -> transform(
    if(bitShiftRight(place, 32) = bitShiftRight(start, 32), start, 0),
    tupleElement(book, 3), arrayEnumerate(tupleElement(book, 3)), toUInt32(1));

-- The rate of a call of so much input in that second of the day: the first special one that fits, else the usual one.
CREATE FUNCTION IF NOT EXISTS sightlineRateOf AS (book, period, input, second) -> arrayElement(
    tupleElement(book, 6),
    arrayElement(tupleElement(book, 4), period) + arrayFirstIndex(
        (above, from_s, to_s) -> ifNull(input, 0) > above
            AND ((from_s <= second) + (second < to_s) + (from_s > to_s)) >= 2,
        tupleElement(arrayElement(tupleElement(book, 5), period), 1),
        tupleElement(arrayElement(tupleElement(book, 5), period), 2),
        tupleElement(arrayElement(tupleElement(book, 5), period), 3)));

-- Why a call has no cost, 0 where it has one: 1 no price is known, 2 its tokens are not told, 3 a part of them has no price.
CREATE FUNCTION IF NOT EXISTS sightlineCostUnknown AS (rate, input, output) -> multiIf(
    tupleElement(rate, 10) < 32, 1,
    isNull(input) OR isNull(output), 2,
    (input > 0 AND NOT bitTest(tupleElement(rate, 10), 0)) OR (output > 0 AND NOT bitTest(tupleElement(rate, 10), 1)), 3,
    0);

-- That in words. An Enum, which is summed up as a number.
CREATE FUNCTION IF NOT EXISTS sightlineWhyUnknown AS unknown -> CAST(unknown,
    'Enum8(\'\' = 0, \'no price is known\' = 1, \'tokens are not told\' = 2, \'a part has no price\' = 3)');

-- What a call cost, in USD: the one place where cost is computed. Cached and spoken tokens are inside input (and output), the
-- hour's cache writes inside the cache writes, reasoning inside output.
CREATE FUNCTION IF NOT EXISTS sightlineCostUsd AS
    (rate, input, cache_read, cache_write, cache_write_1h, input_audio, output, output_audio, reasoning) ->
    (greatest(0, input - cache_read - cache_write - input_audio * bitTest(tupleElement(rate, 10), 2)) * tupleElement(rate, 1)
        + cache_read * tupleElement(rate, 2)
        + (cache_write - least(cache_write, cache_write_1h)) * tupleElement(rate, 3)
        + least(cache_write, cache_write_1h) * tupleElement(rate, 4)
        + input_audio * tupleElement(rate, 5)
        + greatest(0, output - output_audio * bitTest(tupleElement(rate, 10), 3) - reasoning * bitTest(tupleElement(rate, 10), 4))
            * tupleElement(rate, 6)
        + output_audio * tupleElement(rate, 7)
        + reasoning * tupleElement(rate, 8)) / 1e6
    + tupleElement(rate, 9);

-- Calls with their price, looked up when asked, so that a corrected price re-prices history. CostUsd is NULL where a number
-- of tokens or a price that it needs is unknown, and CostUnknown says which.
CREATE VIEW IF NOT EXISTS llm_calls_priced AS
WITH (SELECT tuple(*) FROM price_book) AS book
SELECT
    * EXCEPT (place, period, rate, unknown),
    if(unknown = 0,
        sightlineCostUsd(
            rate, ifNull(InputTokens, 0), ifNull(CacheReadTokens, 0), ifNull(CacheWriteTokens, 0), ifNull(CacheWrite1hTokens, 0),
            ifNull(InputAudioTokens, 0), ifNull(OutputTokens, 0), ifNull(OutputAudioTokens, 0), ifNull(ReasoningTokens, 0)),
        NULL) AS CostUsd,
    sightlineWhyUnknown(unknown) AS CostUnknown
FROM
(
    SELECT
        *,
        sightlineRateOf(book, period, InputTokens, toUnixTimestamp(toDateTime(Timestamp, 'UTC')) % 86400) AS rate,
        sightlineCostUnknown(rate, InputTokens, OutputTokens) AS unknown
    FROM
    (
        SELECT
            *,
            TraceHash,
            PriceKey AS Price,
            sightlineCallOnLine(book, PriceKey, sightlineServiceTier(ServiceTier), toDateTime(Timestamp, 'UTC')) AS place,
            sightlinePeriod(book, place, roundDown(place, tupleElement(book, 3))) AS period
        FROM llm_calls
    )
);

-- The same for embeddings, which only take tokens in.
CREATE VIEW IF NOT EXISTS embeddings_priced AS
WITH (SELECT tuple(*) FROM price_book) AS book
SELECT
    * EXCEPT (place, period, rate, unknown),
    if(unknown = 0, sightlineCostUsd(rate, ifNull(InputTokens, 0), 0, 0, 0, 0, 0, 0, 0), NULL) AS CostUsd,
    sightlineWhyUnknown(unknown) AS CostUnknown
FROM
(
    SELECT
        *,
        sightlineRateOf(book, period, InputTokens, toUnixTimestamp(toDateTime(Timestamp, 'UTC')) % 86400) AS rate,
        sightlineCostUnknown(rate, InputTokens, 0) AS unknown
    FROM
    (
        SELECT
            *,
            TraceHash,
            PriceKey AS Price,
            sightlineCallOnLine(book, PriceKey, '', toDateTime(Timestamp, 'UTC')) AS place,
            sightlinePeriod(book, place, roundDown(place, tupleElement(book, 3))) AS period
        FROM embeddings
    )
);

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
