-- What rollups keep of model calls, and what questions that read rollups make of the rows beside them. The sums are those that
-- sightlineCostUsd multiplies with a rate: plain tokens are those that nothing dearer or cheaper is told of, with spoken and
-- reasoning tokens taken off where these have a price of their own.
count() AS Calls,
count(InputTokens) AS InputCount,
count(OutputTokens) AS OutputCount,
count(ToldCostUsd) AS ToldCount,
sum(ifNull(InputTokens, 0)) AS InputSum,
sum(ifNull(OutputTokens, 0)) AS OutputSum,
sum(toUInt64(greatest(0, plain_input))) AS PlainInput,
sum(toUInt64(greatest(0, plain_input - input_audio))) AS PlainInputNoAudio,
sum(ifNull(CacheReadTokens, 0)) AS CacheRead,
sum(toUInt64(ifNull(CacheWriteTokens, 0) - write_1h)) AS CacheWrite,
sum(write_1h) AS CacheWrite1h,
sum(toUInt64(input_audio)) AS InputAudio,
sum(toUInt64(greatest(0, output))) AS PlainOutput,
sum(toUInt64(greatest(0, output - output_audio))) AS PlainOutputNoAudio,
sum(toUInt64(greatest(0, output - reasoning))) AS PlainOutputNoReasoning,
sum(toUInt64(greatest(0, output - output_audio - reasoning))) AS PlainOutputNoAudioNoReasoning,
sum(toUInt64(output_audio)) AS OutputAudio,
sum(toUInt64(reasoning)) AS Reasoning,
sum(DurationMs) AS DurationSum,
sum(ifNull(ToldCostUsd, 0.)) AS ToldSum
