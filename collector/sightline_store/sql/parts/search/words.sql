(positionCaseInsensitiveUTF8(SessionId, {value:String}) > 0
    OR positionCaseInsensitiveUTF8(UserId, {value:String}) > 0
    OR bitTest(transform(TraceHash, search_hits.1, search_hits.2, toUInt16(0)), {bit:UInt8}))
