bitTest(transform(TraceHash, search_hits.1, search_hits.2, toUInt16(0)), {bit:UInt8})
