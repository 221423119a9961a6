-- The dimensions of embedding calls in rollups.
if(ResponseModel != '', ResponseModel, RequestModel) AS Model,
if(ifNull(InputTokens, 0) > 32000, toUInt32(intDiv(least(assumeNotNull(InputTokens), 4000000000) - 1, 1000) * 1000), toUInt32(0)) AS InputStep,
toUInt8(isNotNull(InputTokens) + 2 * (ifNull(InputTokens, 0) > 0)) AS Shape
