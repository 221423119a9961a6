-- The terms of the sums and the dimensions of calls in rollups.
toInt64(ifNull(InputTokens, 0)) - toInt64(ifNull(CacheReadTokens, 0)) - toInt64(ifNull(CacheWriteTokens, 0)) AS plain_input,
toInt64(ifNull(InputAudioTokens, 0)) AS input_audio,
least(ifNull(CacheWriteTokens, 0), ifNull(CacheWrite1hTokens, 0)) AS write_1h,
toInt64(ifNull(OutputTokens, 0)) AS output,
toInt64(ifNull(OutputAudioTokens, 0)) AS output_audio,
toInt64(ifNull(ReasoningTokens, 0)) AS reasoning,
if(ResponseModel != '', ResponseModel, RequestModel) AS Model,
if(ifNull(InputTokens, 0) > 32000, toUInt32(intDiv(least(assumeNotNull(InputTokens), 4000000000) - 1, 1000) * 1000), toUInt32(0)) AS InputStep,
toUInt8((isNotNull(InputTokens) AND isNotNull(OutputTokens)) + 2 * (ifNull(InputTokens, 0) > 0) + 4 * (ifNull(OutputTokens, 0) > 0)) AS Shape
