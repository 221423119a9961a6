-- The sketch of a query as numbers; [] where it is none. The third part of its version says how many numbers it has.
if(length(tryBase64Decode(QuerySketch)) = toUInt64OrZero(splitByChar(':', toString(QuerySketchVersion))[3]), reinterpret(tryBase64Decode(QuerySketch), 'Array(Int8)'), [])
