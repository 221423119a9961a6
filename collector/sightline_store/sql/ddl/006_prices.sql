-- What a million tokens cost, from when on. PriceKey is provider/model as spans tell them; NULL is unknown, never 0.
CREATE TABLE IF NOT EXISTS model_prices
(
    PriceKey LowCardinality(String),
    ValidFrom DateTime,
    InputUsdPerMtok Nullable(Float64),
    CacheReadUsdPerMtok Nullable(Float64),
    CacheWriteUsdPerMtok Nullable(Float64),
    OutputUsdPerMtok Nullable(Float64),
    Source LowCardinality(String),
    UpdatedAt DateTime DEFAULT now()
)
ENGINE = ReplacingMergeTree(UpdatedAt) ORDER BY (PriceKey, ValidFrom)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- Calls with their price, joined when asked, so that a corrected price re-prices history.
-- Cache tokens are inside input tokens; where no cache price is known they cost what input costs.
CREATE VIEW IF NOT EXISTS llm_calls_priced AS
SELECT
    c.*,
    c.PriceKey AS Price,
    (c.InputTokens - least(c.InputTokens, ifNull(c.CacheReadTokens, 0) + ifNull(c.CacheWriteTokens, 0))) * p.InputUsdPerMtok / 1e6
        + ifNull(c.CacheReadTokens, 0) * ifNull(p.CacheReadUsdPerMtok, p.InputUsdPerMtok) / 1e6
        + ifNull(c.CacheWriteTokens, 0) * ifNull(p.CacheWriteUsdPerMtok, p.InputUsdPerMtok) / 1e6
        + c.OutputTokens * p.OutputUsdPerMtok / 1e6 AS CostUsd
FROM llm_calls AS c
ASOF LEFT JOIN (SELECT * FROM model_prices FINAL) AS p
    ON c.PriceKey = p.PriceKey AND toDateTime(c.Timestamp) >= p.ValidFrom;
