ifNull(toFloat64OrNull(SpanAttributes[{key:String}]) > {number:Float64}, false)
