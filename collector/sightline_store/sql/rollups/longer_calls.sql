-- Hours out of minutes, or days out of hours.
INSERT INTO rollup_calls
SELECT
    {period:UInt32}, begin, {version:UInt64}, By, Tenant, Model, PriceKey, ServiceTier, InputStep, Shape, sum(Calls),
    sum(InputCount), sum(OutputCount), sum(ToldCount), sum(InputSum), sum(OutputSum), sum(PlainInput), sum(PlainInputNoAudio),
    sum(CacheRead), sum(CacheWrite), sum(CacheWrite1h), sum(InputAudio), sum(PlainOutput), sum(PlainOutputNoAudio),
    sum(PlainOutputNoReasoning), sum(PlainOutputNoAudioNoReasoning), sum(OutputAudio), sum(Reasoning), sum(DurationSum),
    sum(ToldSum), sum(CacheReadCount), sum(ReasoningCount), PricedAs,
    groupUniqArrayArray(8)(Notes), Route
FROM
-- include: shorter_periods.sql
GROUP BY begin, By, Tenant, Route, Model, PriceKey, PricedAs, ServiceTier, InputStep, Shape
LIMIT {limit:UInt32} BY begin, By
